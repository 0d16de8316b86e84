# docker build -t lifecircle . && docker run -p 127.0.0.1:8000:8000 -v lifecircle:/data lifecircle
#
# In a container only 0.0.0.0 can be reached from outside, hence --insecure below: without keys everybody who reaches
# the port is admin. Publish it on 127.0.0.1 as above only, until keys can be made.
# With DISPATCH_DATABASE_URL the volume holds uploads alone; without it, the embedded PostgreSQL too.

FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/lifecircle \
 && /opt/lifecircle/bin/pip install --no-cache-dir --no-compile --require-hashes -r requirements.lock
# The pages are built with the package, by a Node that comes as a wheel.
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY dispatch dispatch
COPY geo geo
COPY data data
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /tmp/wheel . \
 && /opt/lifecircle/bin/pip install --no-cache-dir --no-deps --no-index /tmp/wheel/*.whl
# The search is compiled here, for any processor of the kind, and kept where the image's user may write.
RUN NUMBA_CACHE_DIR=/opt/compiled /opt/lifecircle/bin/python -m dispatch.replica.warming

FROM python:3.12-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin lifecircle \
 && install -d -o lifecircle -g lifecircle -m 0700 /data
COPY --from=build /opt/lifecircle /opt/lifecircle
COPY --from=build --chown=lifecircle:lifecircle /opt/compiled /opt/compiled
ENV NUMBA_CACHE_DIR=/opt/compiled \
    PATH=/opt/lifecircle/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DISPATCH_DATA_DIR=/data
USER lifecircle
WORKDIR /data
VOLUME /data
EXPOSE 8000
# The embedded PostgreSQL is stopped within the time that Docker leaves after SIGTERM; SIGINT would do as well.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["dispatch"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--insecure"]
