# One image for all roles: `docker run cartwright web|live|dispatcher|worker|background`, or any command such as
# `flask --app wsgi db upgrade`. BASE is any Debian 12 or later with Python 3.11 to 3.13 as python3, with venv.
ARG BASE=python:3.12-slim-bookworm

# --- The locked environment -------------------------------------------------------------------------------------------
FROM ${BASE} AS environment
WORKDIR /srv/cartwright
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv==0.13.8
COPY pyproject.toml uv.lock ./
RUN UV_PYTHON_DOWNLOADS=never /opt/uv/bin/uv sync --frozen --no-dev --no-cache --link-mode=copy --compile-bytecode \
        --python "$(command -v python3)"

# --- The image --------------------------------------------------------------------------------------------------------
FROM ${BASE}
# The browser is not pinned: its security fixes must come in with every build.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        chromium-headless-shell chromium-driver fonts-liberation tini util-linux \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
        cartwright \
    && install -d -o cartwright -g cartwright -m 700 /var/lib/cartwright /srv/files
WORKDIR /srv/cartwright
COPY --from=environment /srv/cartwright/.venv .venv
COPY Procfile wsgi.py ./
COPY scripts/role scripts/role
COPY migrations migrations
COPY templates templates
COPY app app
COPY workers workers
RUN .venv/bin/python -m compileall -q app workers migrations wsgi.py
ENV APP_ENV=production \
    HOST=0.0.0.0 \
    INSTANCE_DIR=/var/lib/cartwright \
    PATH=/srv/cartwright/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000 8001
ENTRYPOINT ["/usr/bin/tini", "--", "scripts/role"]
CMD ["web"]
