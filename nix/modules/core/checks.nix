# What can be wrong with declarations, found at evaluation: each with the option, the fault and the remedy.
#
# Evaluating the store forces no assertion, so the command reads `artifacts.problems` and repeats them.
kind:
{
  lib,
  config,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.artifacts;
  inherit (cfg._lib) fault guarded optionOf;
  artifacts = lib.attrValues cfg.store;

  bundled = import ../../lib/bundled.nix;
  backends = lib.unique (map (backend: backend.name) bundled ++ lib.attrNames cfg.backends);

  # Directories that a tool replaces as a whole, and would remove our files from: as the tool is configured, and where it is imported.
  dirsOf =
    tool: dirs:
    lib.genAttrs dirs (_: "the directory of ${tool}, which ${tool} replaces at each activation");
  foreign = {
    "/nix/store" = "the Nix store, which is read-only and world-readable";
  }
  // lib.optionalAttrs (options ? age) (
    dirsOf "agenix" [
      (toString config.age.secretsDir)
      (toString (config.age.secretsMountPoint or "${toString config.age.secretsDir}.d"))
    ]
  )
  // lib.optionalAttrs (options ? sops) (
    dirsOf "sops-nix" (
      if kind == "home-manager" then
        [
          config.sops.defaultSymlinkPath
          # `%r` is how sops-nix writes it.
          (builtins.replaceStrings [ "%r" ] [ "\${XDG_RUNTIME_DIR}" ] (
            config.sops.defaultSecretsMountPoint or "%r/secrets.d"
          ))
        ]
      else
        [
          "/run/secrets"
          "/run/secrets.d"
          "/run/secrets-for-users"
          "/run/secrets-for-users.d"
        ]
    )
  );

  # The foreign directory that a path is in, or null. One match, since it is asked of every file.
  foreignPattern = "(${lib.concatMapStringsSep "|" lib.escapeRegex (lib.attrNames foreign)})(/.*)?";
  foreignOf =
    path:
    let
      parts = builtins.match foreignPattern path;
    in
    if parts == null then null else builtins.head parts;

  when = lib.optional;

  isName = import ./valid-name.nix lib;
  badName =
    artifact: path: name:
    when (!isName name) (
      fault artifact path
        "`${cfg._lib.shown name}` is not a valid name; use 1 to 200 bytes without slash, backslash, control or invisible character, not beginning with `-`, and not `.` or `..`"
    );

  deployed = artifact: lib.filter (file: file.secret && file.deploy) (lib.attrValues artifact.files);

  # A script is a short form of a generator.
  scripted =
    artifact:
    when (artifact.script != null && !artifact.generator.isScript or false) (
      fault artifact [
        "script"
      ] "the artifact has a generator as well; remove one of them"
    )
    ++ when (artifact.script == null && artifact.runtimeInputs != [ ]) (
      fault artifact [ "runtimeInputs" ]
        "nothing uses it; set ${optionOf artifact [ "script" ]}, or remove it"
    );

  # Without a generator, a person types the files: nothing else is used.
  typed =
    artifact:
    map (
      prompt:
      fault artifact [
        "prompts"
        prompt
      ] "nothing uses the answer; set ${optionOf artifact [ "generator" ]}, or declare a file of this name: ${
        optionOf artifact [
          "files"
          prompt
        ]
      } = { };"
    ) (lib.attrNames (removeAttrs artifact.prompts (lib.attrNames artifact.files)))
    ++ map (
      dependency:
      fault artifact [ "dependencies" ]
        "nothing reads `${dependency.text}`; set ${optionOf artifact [ "generator" ]}, or remove it"
    ) (lib.take 1 (cfg._lib.dependencies artifact));

  # Which of those that other targets share there are, only the command knows.
  ofDependency =
    artifact:
    {
      directory,
      text,
      own,
    }:
    let
      here = fault artifact [ "dependencies" ];
      isListed = lib.isList artifact.dependencies;
      hasSlash = lib.hasInfix "/" text;
      isInstance = builtins.match "((per-machine|per-user)/[^/]+|shared)/[^/]+" text != null;
      form = lib.concatMapStringsSep " " (
        name:
        let
          instance =
            if lib.hasInfix "/" name && builtins.match "(per-machine|per-user|shared)/.*" name == null then
              "per-machine/${name}"
            else
              name;
        in
        "${lib.strings.escapeNixIdentifier (lib.last (lib.splitString "/" name))} = ${lib.strings.escapeNixString instance};"
      ) artifact.dependencies;
    in
    if isListed && hasSlash then
      [
        (here "a list names artifacts, but `${text}` is an instance; write `${
          optionOf artifact [ "dependencies" ]
        } = { ${form} };`")
      ]
    else if hasSlash && !isInstance then
      [
        (here "`${text}` is not an instance; use per-machine/<machine>/<artifact>, per-user/<user>/<artifact> or shared/<artifact>")
      ]
    else
      lib.optionals (!isListed) (
        badName artifact [
          "dependencies"
          directory
        ] directory
      )
      ++ when (own != null && own.name == artifact.name) (
        here "it depends on itself; remove `${directory}`"
      )
      ++ when (own == null && madeHere artifact && !given artifact) (
        here "`${text}` is not on this target, where the generator runs (${artifact.backend}); use a backend that stores the artifact, or set a testValue for each of its files"
      );

  # Its files have fixed values, so its generator does not run.
  given = artifact: lib.all (file: file.testValue != null) (lib.attrValues artifact.files);

  ofArtifact =
    artifact:
    let
      here = fault artifact;
    in
    badName artifact [ ] artifact.name
    ++ lib.concatMap (
      prompt:
      badName artifact [
        "prompts"
        prompt
      ] prompt
    ) (lib.attrNames artifact.prompts)
    ++ when (artifact.files == { }) (
      here [
        "files"
      ] "no files; declare at least one, for example ${optionOf artifact [ "files" ]}.password = { };"
    )
    ++ scripted artifact
    ++ lib.optionals (artifact.generator == null) (typed artifact)
    ++ when (!lib.elem artifact.backend backends) (
      here [ "backend" ]
        "unknown backend `${artifact.backend}`; use one of ${lib.concatStringsSep ", " backends}, or register it: artifacts.backends.${artifact.backend}.component = …;"
    )
    ++ when (notBrought artifact) (
      here [ "backend" ]
        "no imported module deploys the files of `${artifact.backend}`; import artifacts.${output.${kind}}.${artifact.backend}"
    )
    ++ lib.concatMap (ofDependency artifact) (cfg._lib.dependencies artifact)
    ++ lib.concatMap (ofFile artifact) (lib.attrValues artifact.files)
    ++ lib.concatMap (ofSettings artifact) (lib.attrNames artifact.backendConfig);

  # Settings for a backend that the artifact does not use.
  ofSettings =
    artifact: name:
    let
      here = fault artifact [
        "backendConfig"
        name
      ];
    in
    when (!lib.elem name backends) (here "unknown backend `${name}`; use one of ${lib.concatStringsSep ", " backends}")
    ++ when (lib.elem name backends && name != artifact.backend && !cfg.testMachine) (
      here "it has no effect, because the artifact uses `${artifact.backend}`; remove it, or set ${
        optionOf artifact [ "backend" ]
      } = \"${name}\";"
      // {
        warning = true;
      }
    );

  # A bundled backend whose files something else than the target's own units brings there, and whose module is not imported here.
  output = {
    nixos = "nixosModules";
    darwin = "darwinModules";
    home-manager = "homeModules";
  };
  notBrought =
    artifact:
    lib.any (backend: backend.name == artifact.backend && !backend.onTarget) bundled
    && !(lib.elem artifact.backend cfg.backendModules || cfg.rendering ? ${artifact.backend})
    && deployed artifact != [ ];

  ofFile =
    artifact: file:
    let
      at =
        path:
        [
          "files"
          file.name
        ]
        ++ path;
      here = path: fault artifact (at path);
      path = cfg._lib.spelled file.path;
      dir = foreignOf path;
      absolute = lib.hasPrefix "/" path || cfg._lib.belowRuntime path != null;
      served = (cfg.rendering.${artifact.backend} or { neededFor = [ ]; }).neededFor;
    in
    badName artifact (at [ ]) file.name
    ++ when (file.secret && file.value != null) (
      here [ "value" ] "a secret file has no value; remove it, or set ${optionOf artifact (at [ "secret" ])} = false;"
    )
    ++ lib.optionals (file.secret && file.deploy) (
      when (builtins.match "[0-7]{1,4}" file.mode == null) (
        here [
          "mode"
        ] "invalid mode `${file.mode}`; expected an octal number such as `0400`"
      )
      ++ when (!absolute) (
        here [ "path" ]
          "`${file.path}` is not absolute; write, for example, `${cfg.directory}/${artifact.name}/${file.name}`"
      )
      ++ when (dir != null) (
        here [ "path" ] "`${file.path}` is inside ${foreign.${dir}}; choose another path"
      )
      ++ when (file.neededFor != "services" && !lib.elem file.neededFor served) (
        here [ "neededFor" ]
          "backend `${artifact.backend}` cannot deploy files before ${file.neededFor} are created; use \"services\", or another backend"
      )
      ++ lib.optionals (file ? owner) (
        when (!knownUser file.owner) (unowned artifact file "owner" "user" "users")
        ++ when (!knownGroup file.group) (unowned artifact file "group" "group" "groups")
      )
    );

  knownUser = cfg._lib.known "users";
  knownGroup = cfg._lib.known "groups";

  # A dynamic user does not exist yet when files are installed.
  unowned =
    artifact: file: field: what: table:
    fault artifact
      [
        "files"
        file.name
        field
      ]
      "`${file.${field}}` is an unknown ${what}, so the file will belong to root; declare users.${table}.${file.${field}}, or give the file to the service: ${
        optionOf artifact [
          "files"
          file.name
          "credentials"
        ]
      }"
    // {
      warning = true;
    };

  samePath =
    let
      # Names alone, since all of what is guarded is evaluated.
      ofOne =
        artifact:
        map (file: {
          inherit (file) name;
          path = cfg._lib.spelled file.path;
          artifact = { inherit (artifact) name; };
        }) (deployed artifact);
      files = lib.concatMap (artifact: guarded (ofOne artifact)) artifacts;
      byPath = lib.groupBy (one: one.path) files;
      label = one: "artifacts.store.${one.artifact.name}.files.${one.name}";
    in
    lib.concatMap (
      same:
      let
        first = lib.head same;
      in
      when (lib.length same > 1) (
        fault first.artifact [
          "files"
          first.name
          "path"
        ] "`${first.path}` is the path of ${lib.concatMapStringsSep " and " label same}; set a different path for each"
        // {
          artifacts = lib.unique (map (one: one.artifact.name) same);
        }
      )
    ) (lib.attrValues byPath);

  # Settings that no backend reads, perhaps since its name is another one.
  unread = map (
    name:
    cfg._lib.problem [ ]
      "artifacts.config.${lib.strings.escapeNixIdentifier name}: unknown backend, so it has no effect; use one of ${lib.concatStringsSep ", " backends}, register it (artifacts.backends.${lib.strings.escapeNixIdentifier name}), or remove it"
    // {
      warning = true;
    }
  ) (lib.filter (name: !lib.elem name backends) (lib.attrNames cfg.config));

  # What is said to units where there are none.
  noUnits =
    if kind == "darwin" then
      "nix-darwin has no systemd units"
    else if kind == "home-manager" && !(config.systemd.user.enable or (options ? systemd.user.services)) then
      "this user has no systemd units"
    else
      null;
  toUnits =
    artifact:
    let
      useless =
        path:
        fault artifact path "${noUnits}, so it has no effect; remove it"
        // {
          warning = true;
        };
    in
    when (artifact.bindUnits != [ ]) (useless [ "bindUnits" ])
    ++ lib.concatMap (
      file:
      map
        (
          field:
          useless [
            "files"
            file.name
            field
          ]
        )
        (
          lib.filter (field: !lib.elem file.${field} [ [ ] { } ]) [
            "restartUnits"
            "reloadUnits"
            "credentials"
          ]
        )
    ) (lib.attrValues artifact.files);

  message = one: "artifacts: ${one.message}";
  messages = warning: map message (lib.filter (one: one.warning == warning) cfg.problems);

  # Whether Nix reads something that is stored.
  isPublic = artifact: lib.any (file: !file.secret) (lib.attrValues artifact.files);
  madeHere = artifact: cfg.installers.${artifact.backend}.onTarget or false;
  reads =
    lib.any (artifact: (builtins.tryEval (isPublic artifact && !madeHere artifact)).value) artifacts
    || (builtins.tryEval (cfg.expected != [ ])).value;
  noRoot = lib.optional (cfg.root == null && reads) (
    cfg._lib.problem [ ]
      "artifacts.root: it is not set, so stored files cannot be read; set `artifacts.root = ./.;` in the directory of the flake"
  );

  missing = lib.optionals (cfg.root != null) (
    lib.filter (one: !cfg._lib.exists one.artifact one.file) cfg.expected
  );
  missingMessage = ''
    artifacts: these files are not generated yet:
    ${lib.concatMapStringsSep "\n" (one: "  ${one.artifact.instance}/${one.file}") missing}
    run: artifacts generate ${
      lib.concatStringsSep " " (lib.unique (map (one: cfg._lib.shellName one.artifact) missing))
    }'';

  # What a system cannot be built with.
  stops = messages false ++ lib.optional (missing != [ ]) missingMessage;
in
{
  _file = toString ./checks.nix;
  key = "artifacts/core/checks";

  options.artifacts = {
    problems = mkOption {
      type = types.listOf types.raw;
      internal = true;
      default = [ ];
      description = "Configuration errors: `artifacts` (those that have it, by name; none if it is the target's), `message`, and `warning` if it stops nothing.";
    };

    backendModules = mkOption {
      type = types.listOf types.str;
      internal = true;
      default = [ ];
      description = "Backends whose module is imported; it reports itself if it cannot deploy their files.";
    };

    expected = mkOption {
      type = types.listOf types.raw;
      internal = true;
      default = [ ];
      description = "Stored files that this configuration deploys: `artifact` and `file`, its path in the entry.";
    };
  };

  config = lib.mkMerge [
    {
      artifacts.problems =
        lib.concatMap (artifact: guarded (ofArtifact artifact)) artifacts
        ++ samePath
        ++ noRoot
        ++ unread
        ++ lib.optionals (noUnits != null) (
          lib.concatMap (artifact: guarded (toUnits artifact)) artifacts
        );
    }
    # Home Manager evaluates a standalone user's assertions before it gives any of the configuration away. So where assertions are,
    # missing files could never be made: its activation is what only a build looks at.
    (
      if options ? home.activation then
        {
          home.activation.artifacts = {
            after = [ ];
            before = [ "checkLinkTargets" ];
            data = if stops == [ ] then "" else throw "\n${lib.concatStringsSep "\n" stops}";
          };
        }
      else
        lib.optionalAttrs (options ? assertions) {
          assertions = map (message: {
            assertion = false;
            inherit message;
          }) stops;
        }
    )
    (lib.optionalAttrs (options ? warnings) { warnings = messages true; })
  ];
}
