# Ossature on CPUs, with the demo model, what training needs and the S3 driver: for trials and tests.
#   docker build -f deploy/docker/cpu.Dockerfile -t REGISTRY/ossature-cpu:0.1.0 .
#
# What is pinned: every Python package, by hash (requirements/*.lock). What you have to pin: the base image, which this file can't know.
# Look it up once (`docker buildx imagetools inspect python:3.11-slim-bookworm`) and build with
#   --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
# Debian's packages are those of the base image's release at build time; for equal bytes at another time, use snapshot.debian.org.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /opt/ossature
RUN apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY scripts/setup.sh scripts/setup.sh
COPY cluster cluster
RUN scripts/setup.sh --tuning \
    && .venv/bin/uv pip install --python .venv/bin/python --no-cache --no-deps --require-hashes -r requirements/object-store.lock
COPY models models
RUN .venv/bin/python -m models.demo.expand

FROM ${PYTHON_IMAGE}
# libgomp1, libnuma1: vLLM's CPU build. gcc, libc6-dev: kernels that are compiled at run time. The rest: the default voices.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 libnuma1 gcc g++ libc6-dev libflite1 espeak-ng libsndfile1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 ossature \
    && useradd --uid 10001 --gid 10001 --create-home --home-dir /home/ossature --shell /usr/sbin/nologin ossature \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/ossature \
    && install -d -o 10001 -g 10001 /var/cache/ossature
COPY --from=build /opt/ossature /opt/ossature
ENV PATH=/opt/ossature/.venv/bin:$PATH \
    OSSATURE_DATA_DIR=/var/lib/ossature \
    HF_HOME=/var/cache/ossature \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/ossature
USER 10001:10001
EXPOSE 8000 9000 9464
CMD ["ossature", "serve"]
