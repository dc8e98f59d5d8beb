"""The domain's types: quantities, images, streams and the objects that limit them."""
