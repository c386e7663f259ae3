"""Showing the pictures of products."""

from __future__ import annotations

from app.core.extensions import db
from app.core.running import settings
from app.products.images.gallery import Gallery
from app.products.images.shelf import Kept
from app.products.queries.images import find_image_url


def open_image(gallery: Gallery, *, product_id: int, position: int) -> Kept:
    """The picture at a position (the first is 0) of a product, from the shelf or from where it is.

    Ends the open read first: no connection is held while another server is asked. Raises ProductNotFound,
    ImageNotFound, ImageRefused, ImageHostFailed, ImagesBusy.
    """
    url = find_image_url(product_id, position)
    db.session.rollback()
    return gallery.show(url)


def purge_images() -> int:
    """Delete pictures of this machine's shelf that were not shown for long, and what is too much; returns how many."""
    return Gallery(settings()).shelf.purge()
