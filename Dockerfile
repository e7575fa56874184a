# Postgres with cur_fdw.
#   docker build --target postgres .      PostgreSQL 17 with pg_cron, configured by its environment
#   docker build --target supabase .      self-hosted Supabase's Postgres with the extension
# Every step that is more than a copy is a script of docker/, which runs outside Docker as well.

ARG SUPABASE_IMAGE=supabase/postgres:17.6.1.136

FROM rust:1.95-bookworm AS rust

# Debian 12 for both targets: a library built against a newer glibc than it finds does not load, and
# Supabase's is 2.40, older than Debian 13's.
FROM postgres:17-bookworm AS builder
COPY docker/build-deps.sh /usr/local/bin/
RUN build-deps.sh 17
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/cargo/bin:$PATH
WORKDIR /src
COPY . .
RUN cargo xtask install --pg-config /usr/lib/postgresql/17/bin/pg_config --release --destdir /out
RUN docker/check-linkage.sh /out/usr/lib/postgresql/17/lib/cur_fdw.so

FROM ${SUPABASE_IMAGE} AS supabase
COPY --from=builder /out /tmp/cur_fdw
COPY docker/install-supabase.sh /tmp/
# For `docker exec`: the bucket, keys and schedule from the environment, with PGUSER=supabase_admin.
COPY --chmod=755 docker/first-start.sh /usr/local/bin/cur_fdw-configure
RUN bash /tmp/install-supabase.sh /tmp/cur_fdw && rm -r /tmp/cur_fdw /tmp/install-supabase.sh

# The last target is the default one.
FROM postgres:17-bookworm AS postgres
# ca-certificates: the image has no roots to check the object store's certificate with.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates postgresql-17-cron \
 && rm -rf /var/lib/apt/lists/*
COPY --from=builder /out /
COPY --chmod=755 docker/entrypoint.sh docker/first-start.sh /usr/local/bin/
COPY --chmod=755 docker/first-start.sh /docker-entrypoint-initdb.d/90-cur_fdw.sh
ENTRYPOINT ["entrypoint.sh"]
CMD ["postgres"]
