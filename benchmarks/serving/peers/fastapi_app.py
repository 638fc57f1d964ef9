"""The model behind FastAPI, as most people write it: a pydantic request, and a handler of either kind."""

import os
from typing import Any

from fastapi import FastAPI
from loaded import MODEL, load
from pydantic import BaseModel

app = FastAPI()
predict = load()


class Rows(BaseModel):
    """Rows of numbers."""

    rows: list[list[float]]


class Texts(BaseModel):
    """Texts."""

    rows: list[str]


Request: Any = Texts if MODEL == "text" else Rows

if os.environ.get("BENCH_HANDLER") == "async":

    @app.post("/predict")
    async def answer(request: Request):
        return {"predictions": predict(request.rows)}

else:

    @app.post("/predict")
    def answer(request: Request):
        return {"predictions": predict(request.rows)}
