"""The types of the domain: quantities, images, streams and the objects that limit them."""
