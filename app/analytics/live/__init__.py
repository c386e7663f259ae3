"""Connections that stay open: who gets which figures, and the two ways they are sent. Needs gevent."""
