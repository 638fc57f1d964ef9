"""The model in MLServer, batched by it (see `model-settings.json`, which the benchmark writes)."""

from loaded import MODEL, load
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Runtime(MLModel):
    async def load(self) -> bool:
        import numpy as np

        self.np = np
        self.model = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = payload.inputs[0]
        if MODEL == "text":
            answers = self.model(StringCodec.decode_input(given))
            outputs = [
                StringCodec.encode_output("label", [each["label"] for each in answers]),
                NumpyCodec.encode_output("score", self.np.asarray([each["score"] for each in answers])),
            ]
        else:
            answers = self.model(NumpyCodec.decode_input(given))
            outputs = [NumpyCodec.encode_output("predict", self.np.asarray(answers))]
        return InferenceResponse(model_name=self.name, outputs=outputs)
