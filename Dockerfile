# HyMo's image: the command `hymo` with everything a worker needs.
#
#   docker build -t hymo:0.1.0 .
#
# On Linux PyTorch's default wheel brings CUDA (some 5.5 GB); the host needs its NVIDIA driver and
# the NVIDIA container toolkit.
FROM python:3.12.15-slim-bookworm

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1

WORKDIR /opt/hymo

# The dependencies by themselves first: they are large, and their layer stays when only our code
# changes. pip refuses a file whose hash is not the lock's.
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE NOTICE.md ./
COPY hymotion ./hymotion
COPY jobs ./jobs
COPY worker ./worker
COPY migrations ./migrations
# Built with the lock's setuptools: nothing else is downloaded.
RUN pip install --no-deps --no-build-isolation .

# The home is the volume, since nothing else of the image can be written.
RUN useradd --uid 1000 --home-dir /var/lib/hymo hymo \
    && install --directory --owner hymo --group hymo /var/lib/hymo
USER hymo
WORKDIR /var/lib/hymo
# `utility` lets the driver tell of memory, PCIe and NVLink; `compute` is CUDA.
ENV HYMO_HOME=/var/lib/hymo \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

CMD ["hymo", "--help"]
