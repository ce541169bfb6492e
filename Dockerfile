# SPDX-License-Identifier: Apache-2.0
# Two images from one file: docker build --build-arg ROLE=daemon . (int8xd) or ROLE=worker (int8x-worker).
ARG ROLE=daemon

FROM debian:bookworm-slim AS build
ENV DEBIAN_FRONTEND=noninteractive
COPY deploy/install-deps.sh /src/deploy/install-deps.sh
RUN /src/deploy/install-deps.sh build
COPY . /src
WORKDIR /src
RUN cmake --preset release -DINT8X_TESTS=OFF && cmake --build --preset release \
    && mkdir -p /out && cp build/release/bin/int8x build/release/bin/int8xd build/release/bin/int8x-worker /out/

FROM debian:bookworm-slim AS runtime
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends \
        libnng1 libuv1 libcjson1 libmicrohttpd12 libsqlite3-0 libprotobuf-c1 libzip4 libcurl4 libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/int8x int8x
COPY --from=build /out/ /usr/local/bin/
USER int8x
WORKDIR /var/lib/int8x

FROM runtime AS daemon
EXPOSE 8480 8481
ENTRYPOINT ["int8xd", "--data", "/var/lib/int8x/data"]

FROM runtime AS worker
ENTRYPOINT ["int8x-worker", "--cache", "/var/lib/int8x/cache"]

# hadolint ignore=DL3006
FROM ${ROLE}
