# The programs and the bundled backends, from source.
{
  lib,
  makeRustPlatform,
  rust-bin,
  stdenv,
  makeWrapper,
  installShellFiles,
  runCommand,
  writeText,
  bash,
  bubblewrap,
  coreutils,
  git,
}:
let
  manifest = builtins.fromTOML (builtins.readFile ../../Cargo.toml);
  inherit (manifest.workspace.package) version;

  # One toolchain for the host and for the components, which need WASI's standard library.
  toolchain = rust-bin.stable.latest.minimal.override { targets = [ "wasm32-wasip2" ]; };
  platform = makeRustPlatform {
    cargo = toolchain;
    rustc = toolchain;
  };

  # What a build reads, and no more: the rest of the repository may change without a new build. So may tests, but that a
  # workspace wants all its members to be there.
  top = ../..;
  sources =
    wanted:
    let
      below = path: lib.removePrefix "${toString top}/" path;
      isWanted = path: one: path == one || lib.hasPrefix "${one}/" path || lib.hasPrefix "${path}/" one;
      isTest = path: builtins.match "(host|plugins)/[^/]+/tests(/.*)?" path != null;
    in
    builtins.path {
      name = "artifacts-source";
      path = top;
      filter = path: _: lib.any (isWanted (below path)) wanted && !isTest (below path);
    };

  meta = {
    license = with lib.licenses; [
      mit
      asl20
    ];
    platforms = lib.platforms.linux;
  };

  program =
    crate: extra:
    platform.buildRustPackage (
      lib.recursiveUpdate {
        pname = crate;
        inherit version;
        src = sources [
          ".cargo"
          "Cargo.toml"
          "Cargo.lock"
          "host"
          "tests/Cargo.toml"
          "tests/src"
          "xtask/Cargo.toml"
          "xtask/src/lib.rs"
          "xtask/src/main.rs"
          "xtask/tasks/Cargo.toml"
          "xtask/tasks/src/bench/main.rs"
          "xtask/tasks/src/demo/main.rs"
          "wit"
          "nix/lib"
          "plugins/bundled.json"
        ];
        cargoLock.lockFile = ../../Cargo.lock;
        cargoBuildFlags = [
          "--package"
          crate
        ];
        # The tests run Nix and bubblewrap, which a build cannot: `cargo xtask test` runs them.
        doCheck = false;
        meta = meta // {
          mainProgram = crate;
        };
      } extra
    );
in
rec {
  # One backend alone, as `<name>.wasm`.
  backend =
    name:
    platform.buildRustPackage {
      pname = "artifacts-backend-${name}";
      inherit version;
      src = sources [
        "plugins"
        "tests/guests"
        "wit"
      ];
      cargoLock.lockFile = ../../plugins/Cargo.lock;
      cargoRoot = "plugins";
      buildPhase = ''
        runHook preBuild
        cd plugins
        cargo build --release --offline --locked --target wasm32-wasip2 --package ${name}
        runHook postBuild
      '';
      installPhase = ''
        runHook preInstall
        install -D -m 444 target/wasm32-wasip2/release/${
          builtins.replaceStrings [ "-" ] [ "_" ] name
        }.wasm $out/${name}.wasm
        runHook postInstall
      '';
      doCheck = false;
      # A component is no program of the host's.
      dontStrip = true;
      dontFixup = true;
      meta = meta // {
        description = "The backend ${name} of artifacts, a WebAssembly component";
      };
    };

  # Components and code of them for any processor of this architecture, so that no start of the program compiles them.
  backends = runCommand "artifacts-backends-${version}" { nativeBuildInputs = [ precompile ]; } ''
    mkdir $out
    for component in ${
      lib.concatMapStringsSep " " ({ name, ... }: "${backend name}/${name}.wasm") (
        import ../lib/bundled.nix
      )
    }; do
      ln -s "$component" $out/
      artifacts-precompile "$component" "$out/$(basename "$component" .wasm).$(uname -m).cwasm"
    done
  '';

  # The program's own compiler, without any backend inside.
  precompile = program "artifacts-precompile" {
    meta.description = "Compiles backends of artifacts ahead of time";
  };

  # The command, with the bundled backends inside.
  artifacts = program "artifacts" {
    meta.description = "Secrets and generated files for NixOS and Home Manager";
    env.ARTIFACTS_PLUGINS = "${backends}";
    nativeBuildInputs = [
      installShellFiles
      makeWrapper
    ];
    # Nix itself is the user's own. Generators find a shell and the usual tools here, since NixOS has them nowhere else.
    postInstall =
      lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
        $out/bin/artifacts man --dir manual
        installManPage manual/man*/*
        for shell in bash fish zsh; do
          $out/bin/artifacts completions $shell > artifacts.$shell
          installShellCompletion --cmd artifacts --$shell artifacts.$shell
        done
      ''
      + ''
        wrapProgram $out/bin/artifacts \
          --prefix PATH : ${
            lib.makeBinPath [
              bubblewrap
              git
            ]
          } \
          --set-default ARTIFACTS_GENERATOR_PATH ${
            lib.makeBinPath [
              bash
              coreutils
            ]
          }
      '';
  };

  # The small program on the target.
  artifacts-target = program "artifacts-on-target" {
    pname = "artifacts-target";
    meta.description = "Watches the files of artifacts on a machine";
    meta.mainProgram = "artifacts-target";
  };

  options-reference = writeText "OPTIONS.md" (import ../reference.nix { inherit lib; });
}
