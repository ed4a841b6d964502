"""Stored completions and files."""

from __future__ import annotations

from pydantic import Field, model_validator

from cluster.config.problems import Contradiction, Problem
from cluster.config.settings.section import Section


class StoredCompletionsSettings(Section):
    """Chat completions that clients ask to be kept (`store: true`)."""

    enabled: bool = Field(True, description="Keep completions that ask for it; off: `store: true` gets 400.")
    retention_s: float = Field(
        2_592_000.0, ge=1, description="How long a stored completion is kept, in seconds (30 days). Holds for those there are, too."
    )
    purge_interval_s: float = Field(
        300.0, gt=0, description="How often each gateway deletes what is past its retention, in seconds. It is invisible at once."
    )
    max_completions_per_organization: int = Field(
        1_000_000, ge=1, description="Stored completions of one organization; further ones are answered, but not kept."
    )
    max_bytes_per_organization: int = Field(
        20 << 30, ge=1 << 20, description="Bytes of one organization's stored completions; further ones are answered, but not kept."
    )
    max_completion_bytes: int = Field(
        16 << 20, ge=64 << 10, description="Largest completion to keep, request and answer together, in bytes of JSON."
    )
    max_image_bytes: int = Field(
        8 << 20, ge=0, description="Larger images of a request are left out of what is kept of it, in bytes of the image file."
    )
    max_waiting_bytes: int = Field(
        64 << 20, ge=1 << 20, description="Completions that may wait in one gateway to be written, in bytes; more are not kept."
    )
    commit_timeout_s: float = Field(
        5.0, gt=0, description="Longest wait of an answer's end for its completion to be on disk, in seconds."
    )


class FilesSettings(Section):
    """Files that clients upload (`/v1/files`)."""

    storage_url: str | None = Field(
        None,
        min_length=1,
        description="Where contents are kept: a folder, or an address that fsspec knows, such as `s3://bucket/prefix` (needs "
        "`pip install 's3fs'`; credentials come from the environment). All gateways must see the same. Unset: `files` in the data "
        "folder.",
    )
    max_file_bytes: int = Field(512 << 20, ge=1024, description="Largest file, in bytes; larger ones get 413.")
    max_bytes_per_organization: int = Field(
        100 << 30, ge=1024, description="Bytes of all files of one organization; an upload beyond gets 403."
    )
    max_files_per_organization: int = Field(10_000, ge=1, description="Files of one organization; an upload beyond gets 403.")
    upload_timeout_s: float = Field(3600.0, gt=0, description="Longest time for an upload, in seconds.")
    sweep_interval_s: float = Field(
        300.0,
        gt=0,
        description="How often each gateway deletes expired files, in seconds. They are invisible at once.",
    )
    orphan_age_s: float = Field(
        86_400.0,
        gt=0,
        description="Age at which content without a file is taken for the remains of an upload and deleted, in seconds; more than "
        "`upload_timeout_s`. Each gateway looks 24 times in this period.",
    )

    @model_validator(mode="after")
    def _orphans_outlive_uploads(self) -> FilesSettings:
        if self.orphan_age_s <= self.upload_timeout_s:
            raise Contradiction(
                [
                    Problem(
                        ("orphan_age_s",),
                        f"must be longer than upload_timeout_s ({self.upload_timeout_s:g}): an upload is no orphan",
                    )
                ]
            )
        return self
