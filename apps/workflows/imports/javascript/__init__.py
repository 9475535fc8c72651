"""JavaScript expressions, as far as other products' workflows are written in them."""
