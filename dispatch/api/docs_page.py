"""GET /docs: the API to read and to try, without a request to any other host."""

from importlib import resources
from typing import Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

_FILES: Final = "/docs/files"


def serve_docs_page(app: FastAPI) -> None:
    """Serve Swagger UI at /docs, from the files of a wheel."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=app.title,
            swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{_FILES}/swagger-ui.css",
            swagger_favicon_url=f"{_FILES}/favicon-32x32.png",
            swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
        )

    app.mount(_FILES, StaticFiles(directory=str(resources.files("fastapi_swagger") / "resources")), name="docs files")
