"""What is answered of goods by name; for the OpenAPI document alone."""

from typing import Annotated

from pydantic import Field

from dispatch.api.answers import Told


class ItemTold(Told):
    sku: str
    name: Annotated[str | None, Field(description="As a partner's items name it; null: none of them does")]


class ItemsAnswer(Told):
    items: list[ItemTold]
