{
  description = "Secrets and generated files, declared in NixOS and Home Manager and stored by sandboxed backends";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      rust-overlay,
    }:
    let
      inherit (nixpkgs) lib;
      bundled = import ./nix/lib/bundled.nix;
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      everywhere = linux ++ [
        "x86_64-darwin"
        "aarch64-darwin"
      ];

      # Whatever is done to these packages by overlays is done to what ours are built of as well.
      built = pkgs: (pkgs.extend rust-overlay.overlays.default).callPackage ./nix/packages { };
      pkgsFor = system: nixpkgs.legacyPackages.${system};

      # The programs that a target runs are this project's own.
      programs =
        { pkgs, ... }:
        let
          packages = self.packages.${pkgs.stdenv.hostPlatform.system} or { };
        in
        {
          _file = "artifacts/programs";
          key = "artifacts/programs";
          artifacts.package = lib.mkDefault (packages.artifacts or null);
          artifacts.targetPackage = lib.mkDefault (packages.artifacts-target or null);
        };

      # The modules of a kind of target: `default`, and each backend alone. The keys have each count once, however often and with
      # whatever others it is imported.
      modulesFor =
        kind: more:
        let
          module = name: imports: {
            _file = "artifacts/${kind}/${name}";
            key = "artifacts/${kind}/${name}";
            inherit imports;
          };
          base = module "base" ([ ./nix/modules/base/${kind}.nix ] ++ more);
          # What a target makes itself needs no module besides the base.
          backends = lib.listToAttrs (
            map (
              backend:
              lib.nameValuePair backend.name (
                module backend.name [
                  (./nix/modules/backends + "/${backend.module}")
                  base
                ]
              )
            ) (lib.filter (backend: !backend.onTarget) bundled)
          );
        in
        backends // { default = module "default" (lib.attrValues backends); };
    in
    {
      nixosModules = modulesFor "nixos" [ programs ];
      homeModules = modulesFor "home-manager" [ programs ];
      darwinModules = modulesFor "darwin" [ ];

      lib = import ./nix/lib;

      packages = lib.genAttrs linux (
        system:
        let
          packages = built (pkgsFor system);
        in
        {
          default = packages.artifacts;
          inherit (packages) artifacts artifacts-target options-reference;
        }
        // lib.listToAttrs (
          map (
            { name, ... }: lib.nameValuePair "backend-${name}" (packages.backend name)
          ) bundled
        )
      );

      overlays.default = final: _: { inherit (built final) artifacts artifacts-target; };

      checks = lib.genAttrs linux (
        system:
        let
          pkgs = pkgsFor system;
        in
        {
          inherit (self.packages.${system}) artifacts artifacts-target;
          options-reference = pkgs.runCommand "options-reference-is-current" { } ''
            diff -u ${./nix/OPTIONS.md} ${self.packages.${system}.options-reference}
            touch $out
          '';
          # What `nix fmt` runs on each file.
          format = pkgs.runCommand "nix-is-formatted" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
            find ${self} -name '*.nix' -exec nixfmt --check {} +
            touch $out
          '';
          boot = pkgs.testers.runNixOSTest (
            import ./nix/checks/boot.nix { nixosModule = self.nixosModules.default; }
          );
        }
      );

      devShells = lib.genAttrs linux (
        system:
        let
          pkgs = (pkgsFor system).extend rust-overlay.overlays.default;
        in
        {
          default = pkgs.mkShell {
            packages = [
              (pkgs.rust-bin.stable.latest.default.override {
                extensions = [
                  "rust-src"
                  "rust-analyzer"
                ];
                targets = [ "wasm32-wasip2" ];
              })
              pkgs.age
              pkgs.bubblewrap
              pkgs.git
              pkgs.sops
              self.formatter.${system}
            ];
          };
        }
      );

      formatter = lib.genAttrs everywhere (system: (pkgsFor system).nixfmt-tree);

      templates = {
        default = {
          path = ./nix/demo;
          description = "Two machines and a user with secrets of their own and one that they share";
          welcomeText = ''
            In `flake.nix`, give the input `artifacts` its address; in `keys.nix`, put your own public keys
            (`ssh-keyscan -t ed25519 HOST | cut -d' ' -f2-`, `age-keygen -y FILE`). Nix sees what git knows:
            `git init && git add . && nix flake lock`. Then, with artifacts in `PATH` or as `nix run ADDRESS#artifacts -- status`:

                artifacts status
                artifacts generate
          '';
        };
        backend = {
          path = ./nix/templates/backend;
          description = "A backend: a WebAssembly component that stores artifacts";
          welcomeText = ''
            In `flake.nix` and `Cargo.toml`, give artifacts its address. In a git checkout, Nix sees what git knows: `git add .`.
            Then, in `nix develop`:

                cargo build --release --target wasm32-wasip2
                artifacts backend inspect target/wasm32-wasip2/release/mine.wasm

            BACKEND_GUIDE.md of artifacts has the rest.
          '';
        };
      };
    };
}
