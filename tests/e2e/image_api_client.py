"""The client with which the stand-in for the Image API calls the API server."""

import ssl

import httpx

from .cluster import Cluster


def image_api_client(cluster: Cluster) -> httpx.AsyncClient:
    """A client of the API server with the rights of the Image API.

    It has no bound on connections: httpx loses a connection when a request is cancelled while
    it waits for one, and after a hundred of them it answers nothing any more.
    """
    return httpx.AsyncClient(
        limits=httpx.Limits(max_connections=None),
        base_url=cluster.url,
        headers={"Authorization": f"Bearer {cluster.image_api_token}"},
        verify=ssl.create_default_context(cafile=cluster.ca_file),
        timeout=60,
        trust_env=False,
    )
