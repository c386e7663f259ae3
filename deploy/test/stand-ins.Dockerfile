# Stand-ins for the official images, for machines that can reach a Debian mirror but no image registry: the same
# programs from Debian, with the few variables of the official images that docker-compose.yml uses.
ARG DEBIAN=cartwright-test/debian:bookworm
# hadolint global ignore=DL3006,DL3008

FROM ${DEBIAN} AS python
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*

FROM ${DEBIAN} AS redis
RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* \
    && install -d -o redis -g redis /data
WORKDIR /data
VOLUME /data

FROM ${DEBIAN} AS mysql
RUN apt-get update && apt-get install -y --no-install-recommends mariadb-server && rm -rf /var/lib/apt/lists/* \
        /var/lib/mysql \
    && install -d -o mysql -g mysql /var/lib/mysql
COPY mysql-entrypoint.sh /usr/local/bin/mysql-entrypoint.sh
VOLUME /var/lib/mysql
ENTRYPOINT ["mysql-entrypoint.sh"]
