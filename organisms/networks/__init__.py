"""The networks that organisms are made of: recurrent and residual convolutional actor-critics."""
