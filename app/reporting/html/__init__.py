"""Styles and templates that the page and the HTML report share."""
