"""The model in LitServe, batched by it."""

import os
import sys

import litserve
import numpy as np
from loaded import MODEL, load


class Served(litserve.LitAPI):
    def setup(self, device):
        self.model = load()

    def decode_request(self, request):
        return request["rows"] if MODEL == "text" else np.asarray(request["rows"])

    def batch(self, inputs):
        lengths = [len(each) for each in inputs]
        whole = [each for one in inputs for each in one] if MODEL == "text" else np.concatenate(inputs)
        return whole, lengths

    def predict(self, x):
        if type(x) is tuple:
            rows, lengths = x
            return self.model(rows), lengths
        return self.model(x)

    def unbatch(self, output):
        answers, lengths = output
        found, at = [], 0
        for length in lengths:
            found.append(answers[at : at + length])
            at += length
        return found

    def encode_response(self, output):
        return {"predictions": output}


if __name__ == "__main__":
    batch = int(os.environ.get("BENCH_BATCH", "32"))
    api = Served(max_batch_size=batch, batch_timeout=0.002)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    port = int(sys.argv[1])
    server.run(host="127.0.0.1", port=port, num_api_servers=1, generate_client_file=False, log_level="error")
