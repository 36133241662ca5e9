import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  base: "/ui/",
  plugins: [vue()],
  build: {
    outDir: here("../app/static/web"),
    emptyOutDir: true,
    // A font of a few glyphs would become a data: address, which the page's CSP refuses.
    assetsInlineLimit: 0,
    rollupOptions: {
      input: Object.fromEntries(
        ["display", "kiosk", "login", "signed-in"].map((page) => [page, here(`${page}.html`)]),
      ),
    },
  },
  server: {
    proxy: {
      "^/(api|oauth|rt|readyz)": { target: "http://127.0.0.1:8000", ws: true },
    },
  },
});
