import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queries } from "./api/client";
import { listen } from "./api/events";
import { fromHash } from "./lib/links";
import { startTheme } from "./lib/theme";
import { ahead, router } from "./router";
import "./theme.css";

startTheme();
listen();

// The links that MLflow's clients print keep their place behind a hash.
const place = fromHash(window.location.hash);
if (place) window.history.replaceState(null, "", place);

const root = document.getElementById("root");
if (root) {
  ahead();
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
