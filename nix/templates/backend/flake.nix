{
  description = "A backend for artifacts";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    rust-overlay.url = "github:oxalica/rust-overlay";
    rust-overlay.inputs.nixpkgs.follows = "nixpkgs";
    artifacts.url = "git+https://example.org/artifacts";
    artifacts.inputs.nixpkgs.follows = "nixpkgs";
    artifacts.inputs.rust-overlay.follows = "rust-overlay";
  };

  outputs =
    {
      self,
      nixpkgs,
      rust-overlay,
      artifacts,
    }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      pkgsFor = system: nixpkgs.legacyPackages.${system}.extend rust-overlay.overlays.default;
      toolchainFor =
        system: (pkgsFor system).rust-bin.stable.latest.default.override { targets = [ "wasm32-wasip2" ]; };
    in
    {
      # `nix build` needs a Cargo.lock: run `cargo generate-lockfile` once, in `nix develop`, and in a git checkout `git add` it.
      packages = lib.genAttrs systems (
        system:
        let
          platform = (pkgsFor system).makeRustPlatform {
            cargo = toolchainFor system;
            rustc = toolchainFor system;
          };
        in
        {
          default = platform.buildRustPackage {
            pname = "artifacts-backend-mine";
            version = "0.1.0";
            src = ./.;
            cargoLock = {
              lockFile = ./Cargo.lock;
              allowBuiltinFetchGit = true;
            };
            buildPhase = "cargo build --release --offline --target wasm32-wasip2";
            installPhase = "install -D -m 444 target/wasm32-wasip2/release/mine.wasm $out/mine.wasm";
            doCheck = false;
            dontFixup = true;
          };
        }
      );

      # Machines and users import it to use the backend as `mine`.
      nixosModules.default = artifacts.lib.registerBackend "mine" {
        component = "${self.packages.x86_64-linux.default}/mine.wasm";
      };
      homeModules.default = self.nixosModules.default;

      devShells = lib.genAttrs systems (system: {
        default = (pkgsFor system).mkShell {
          packages = [
            (toolchainFor system)
            artifacts.packages.${system}.default
          ];
        };
      });
    };
}
