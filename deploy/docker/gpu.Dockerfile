# Ossature on NVIDIA GPUs, with what training needs and the S3 driver of files and tuned models.
#   docker build -f deploy/docker/gpu.Dockerfile -t REGISTRY/ossature-gpu:0.1.0 .
#
# What is pinned: every Python package, by hash (requirements/*.lock), CUDA's libraries and compiler among them. What you have to pin:
# the base image, which this file can't know. Look it up once (`docker buildx imagetools inspect python:3.11-slim-bookworm`) and build
#   --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
# Debian's packages are those of the base image's release at build time; for equal bytes at another time, use snapshot.debian.org.
# The node gives the driver (NVIDIA's container toolkit, or its GPU operator); it must be one for CUDA 13.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /opt/ossature
RUN apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
COPY requirements requirements
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/uv.lock \
    && .venv/bin/uv pip install --python .venv/bin/python --no-cache --no-deps --require-hashes -r requirements/gpu.lock \
    && .venv/bin/uv pip install --python .venv/bin/python --no-cache --no-deps --require-hashes -r requirements/silero.lock \
    && .venv/bin/uv pip install --python .venv/bin/python --no-cache --no-deps --require-hashes -r requirements/tuning.lock \
    && .venv/bin/uv pip install --python .venv/bin/python --no-cache --no-deps --require-hashes -r requirements/object-store.lock
COPY pyproject.toml README.md LICENSE ./
COPY cluster cluster
RUN .venv/bin/uv pip install --python .venv/bin/python --no-cache --no-deps --no-build-isolation -e .

FROM ${PYTHON_IMAGE}
# libnuma1, gcc, libc6-dev: Triton and vLLM compile kernels and launchers at run time. The rest: the default voices.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libnuma1 gcc g++ libc6-dev libflite1 espeak-ng libsndfile1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 ossature \
    && useradd --uid 10001 --gid 10001 --create-home --home-dir /home/ossature --shell /usr/sbin/nologin ossature \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/ossature \
    && install -d -o 10001 -g 10001 /var/cache/ossature
COPY --from=build /opt/ossature /opt/ossature
ENV PATH=/opt/ossature/.venv/bin:$PATH \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    OSSATURE_DATA_DIR=/var/lib/ossature \
    HF_HOME=/var/cache/ossature \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/ossature
USER 10001:10001
EXPOSE 8000 9000 9464
CMD ["ossature", "serve"]
