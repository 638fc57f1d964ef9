import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { precompress } from "./precompress.ts";
import { preload } from "./preload.ts";

const server = process.env.MODELYARD_SERVER ?? "http://127.0.0.1:5000";

// The tests' environment is set in each file that needs a document (`// @vitest-environment jsdom`).
export default defineConfig({
  plugins: [react(), tailwindcss(), preload(), precompress()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "../src/modelyard/server/ui",
    emptyOutDir: true,
    target: "es2022",
    // Our policy forbids data: in scripts and styles, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      output: {
        // A dozen small files take a browser longer than one of their size.
        codeSplitting: {
          groups: [
            {
              name: "vendor",
              test: /node_modules\/(?!echarts|lucide-react|zrender|tslib|hyparquet|fzstd|papaparse|diff\/)/,
              minShareCount: 4,
            },
            { name: "icons", test: /node_modules\/lucide-react/ },
            { name: "parts", test: /\/src\/(parts|lib|api)\//, minShareCount: 4 },
          ],
        },
      },
    },
  },
  server: { host: "127.0.0.1", proxy: { "/api": server, "/docs": server } },
});
