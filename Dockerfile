# HyMo's image: the command `hymo` with everything a worker needs.
#
#   docker build -t hymo:0.1.0 .
#
# On Linux PyTorch's default wheel brings CUDA (some 5.5 GB); the host needs its NVIDIA driver and
# the NVIDIA container toolkit. For an image without CUDA give pip the index of PyTorch's CPU builds:
#
#   docker build --build-arg PIP_EXTRA_INDEX_URL=… -t hymo:0.1.0-cpu .
FROM python:3.12.11-slim-bookworm

ARG PIP_EXTRA_INDEX_URL=
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1

WORKDIR /opt/hymo

# PyTorch by itself first: it is large, and its layer stays when only our code changes.
COPY constraints.txt ./
RUN pip install -c constraints.txt torch

COPY pyproject.toml README.md LICENSE ./
COPY hymotion ./hymotion
COPY jobs ./jobs
COPY worker ./worker
COPY migrations ./migrations
RUN pip install -c constraints.txt '.[postgres,official]'

RUN useradd --uid 1000 --create-home hymo \
    && install --directory --owner hymo --group hymo /var/lib/hymo
USER hymo
WORKDIR /var/lib/hymo
# `utility` lets the driver tell of memory, PCIe and NVLink; `compute` is CUDA.
ENV HYMO_HOME=/var/lib/hymo \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

CMD ["hymo", "--help"]
