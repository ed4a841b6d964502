"""Images that clients name."""

from __future__ import annotations

import ipaddress

from pydantic import Field, field_validator

from cluster.config.settings.section import Section


class ImageSettings(Section):
    """Images that clients name: how large they may be, and where they may be fetched from."""

    max_image_bytes: int = Field(10 << 20, ge=1024, le=64 << 20, description="Largest image file, in bytes.")
    max_image_pixels: int = Field(
        40_000_000, ge=1024, le=80_000_000, description="Largest image, in pixels; decoding takes up to 4 bytes each."
    )
    fetch_timeout_s: float = Field(
        20.0, gt=0, le=300, description="Longest time to fetch an image, redirects included, in seconds."
    )
    fetch_attempts: int = Field(2, ge=1, le=5, description="How often an image is asked for whose server fails or doesn't answer.")
    max_redirects: int = Field(3, ge=0, le=10, description="Redirects that are followed; each is checked like the first URL.")
    max_concurrent_fetches: int = Field(8, ge=1, le=64, description="Images that one gateway, or one job, fetches at a time.")
    any_port: bool = Field(False, description="Fetch images from any port; off: from 80 and 443 alone.")
    allowed_networks: str = Field(
        "",
        max_length=4096,
        description="Networks that images may be fetched from although they are not public, separated by commas: `10.20.0.0/16`. "
        "Every client can then read images from there.",
    )

    @field_validator("allowed_networks")
    @classmethod
    def _networks(cls, networks: str) -> str:
        for network in filter(None, networks.split(",")):
            ipaddress.ip_network(network.strip())
        return networks


class ChatImageSettings(ImageSettings):
    """Images in chats with models that see (`models[].image_input`)."""

    fetch: bool = Field(
        True, description="Gateways fetch images that chats name by `https://` or `http://`. Off: images come in data URLs alone."
    )
    max_images: int = Field(10, ge=1, le=1000, description="Images in one request, over all of its messages.")
    max_total_bytes: int = Field(
        40 << 20, ge=1024, le=1 << 30, description="Image files of one request together, in bytes; a gateway has them in memory."
    )
