import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// Asset addresses are absolute, because the shell is answered for every page of the application.
export default defineConfig({
  base: "/",
  plugins: [svelte()],
  build: { target: "es2022", modulePreload: { polyfill: false }, reportCompressedSize: false },
});
