# Each artifact as its unit and the manifest have it.
{
  lib,
  config,
  pkgs,
}:
let
  cfg = config.artifacts;
  escape = import ./escape.nix { inherit lib; };

  artifacts = map describe (lib.attrValues cfg.store);

  describe =
    artifact:
    let
      installer = cfg.installers.${artifact.backend} or { };
      onTarget = installer.onTarget or false;
      # A public file that was made elsewhere is in the store.
      deployed = lib.filterAttrs (_: file: (file.secret || onTarget) && file.deploy) artifact.files;
    in
    {
      inherit artifact;
      name = escape.name artifact.name;
      unit = "artifact-${escape.name artifact.name}.service";
      files = deployed;
      paths = lib.mapAttrsToList (_: file: file.path) deployed;
      installers = installer.units or [ ];
      notifies = installer.notifies or false;
      bindUnits = lib.unique (
        artifact.bindUnits
        ++ lib.filter (lib.hasSuffix ".service") (map (one: one.unit) (credentialsOf artifact))
      );
      inherit onTarget;
      needs = map (dependency: dependency.own.name) (local artifact);
      early = lib.elem artifact.name early;
    };

  # Each service that gets a file, with the credential's ID.
  credentialsOf =
    artifact:
    lib.concatMap (
      file: lib.mapAttrsToList (unit: id: { inherit unit id file; }) file.credentials
    ) (lib.attrValues artifact.files);

  # What is made here before there are users, with all that it is made of.
  neededFor =
    what: artifact:
    lib.any (file: file.deploy && file.neededFor == what) (lib.attrValues artifact.files);
  madeHere = artifact: cfg.installers.${artifact.backend}.onTarget or false;
  early = map (one: one.key) (
    lib.genericClosure {
      startSet = map (artifact: { key = artifact.name; }) (
        lib.filter (artifact: madeHere artifact && neededFor "users" artifact) (lib.attrValues cfg.store)
      );
      operator = one: map (dependency: { key = dependency.own.name; }) (local cfg.store.${one.key});
    }
  );

  file =
    declared:
    {
      inherit (declared) path reloadUnits;
      restartUnits = lib.unique (declared.restartUnits ++ lib.attrNames declared.credentials);
      mode = modeOf declared;
    }
    // owned declared;

  # What is public in the store is so on a machine that makes it itself.
  modeOf = declared: if declared.secret then declared.mode else "0444";

  # Whoever does not exist when files are put in place, such as a dynamic user, does not get them.
  owned =
    declared:
    lib.optionalAttrs (declared ? owner) {
      owner = if cfg._lib.known "users" declared.owner then declared.owner else "root";
      group = if cfg._lib.known "groups" declared.group then declared.group else "root";
    };

  # What `artifacts activate` reads: this one target, with those generators in its closure that run on it.
  needed = lib.concatMap (one: one.needs) (lib.filter (one: one.onTarget) artifacts);

  # What another target has does not come here: where it is needed, that is a fault.
  local = artifact: lib.filter (dependency: dependency.own != null) (cfg._lib.dependencies artifact);
  dependencies =
    artifact:
    if lib.isList artifact.dependencies then
      map (dependency: dependency.text) (local artifact)
    else
      lib.listToAttrs (
        map (dependency: lib.nameValuePair dependency.directory dependency.text) (local artifact)
      );
  plain = lib.filterAttrs (_: value: value != null);
  declaration =
    one:
    {
      inherit (one.artifact)
        shared
        backend
        timeout
        network
        ;
      files = lib.mapAttrs (
        _: declared:
        {
          inherit (declared) secret deploy;
          mode = modeOf declared;
        }
        // lib.optionalAttrs (declared.deploy) { inherit (declared) path; }
        // owned declared
      ) one.artifact.files;
    }
    # Of what is made elsewhere only the files matter.
    // lib.optionalAttrs one.onTarget {
      dependencies = dependencies one.artifact;
      prompts =
        lib.mapAttrs (_: prompt: { inherit (prompt) type testValue; }) one.artifact.prompts
        // typed one.artifact;
      backendConfig = lib.filterAttrs (name: _: name == one.artifact.backend) one.artifact.backendConfig;
    }
    // lib.optionalAttrs (one.onTarget && one.artifact.generator != null) {
      generator.path = "${if given one.artifact then gives one.artifact else one.artifact.generator}";
    };

  # Without a generator each file is the answer to a prompt of its name, and its test value that prompt's.
  typed =
    artifact:
    lib.mapAttrs (name: file: {
      type = artifact.prompts.${name}.type or (if file.secret then "hidden" else "line");
      inherit (file) testValue;
    }) (lib.filterAttrs (_: file: artifact.generator == null && file.testValue != null) artifact.files);

  # Where each file has a test value, that is all there is to make.
  given = artifact: lib.all (file: file.testValue != null) (lib.attrValues artifact.files);
  gives =
    artifact:
    pkgs.writers.writeBash "test-values" (
      lib.concatMapStrings (file: ''
        printf %s ${lib.escapeShellArg file.testValue} > "$out"/${lib.escapeShellArg file.name}
      '') (lib.attrValues artifact.files)
    );
in
rec {
  inherit escape artifacts;

  manifest = builtins.toJSON {
    schema = 1;
    artifacts = lib.listToAttrs (
      map (
        one:
        lib.nameValuePair one.artifact.name {
          inherit (one) unit installers onTarget;
          inherit (one) bindUnits;
          files = lib.mapAttrs (_: file) one.files;
        }
      ) artifacts
    );
  };

  # What changes when an artifact has to be made or placed anew. Another generator is no reason.
  changes =
    one: builtins.hashString "sha256" (builtins.toJSON (removeAttrs (declaration one) [ "generator" ]));

  # How long a look at files may take, in seconds.
  glance = 30;

  # How long it may take to have files deployed once more, in seconds: somebody may have to touch a key. A boot never waits for that.
  opening = 300;

  # How long a making may take, in seconds: a generator that hangs must not hang the boot. A deterministic one runs twice, and a third
  # time when it disagreed with itself.
  patience = one: if one.artifact.timeout == null then 300 else 3 * one.artifact.timeout + 60;

  # The spec of what is made here.
  spec =
    kind:
    builtins.toJSON {
      schema = 1;
      backends = lib.mapAttrs (
        _: backend:
        plain {
          inherit (backend)
            sha256
            storage
            grants
            limits
            ;
          component = "${backend.component}";
        }
      ) (lib.filterAttrs (name: _: cfg.installers.${name}.onTarget or false) cfg.backends);
      targets = [
        {
          inherit kind;
          name = cfg.target;
          inherit (cfg) system;
          config = lib.mapAttrs (_: plain) (
            lib.filterAttrs (name: _: cfg.installers.${name}.onTarget or false) cfg.config
          );
          artifacts = lib.listToAttrs (
            map (one: lib.nameValuePair one.artifact.name (declaration one)) (
              lib.filter (one: one.onTarget || lib.elem one.artifact.name needed) artifacts
            )
          );
        }
      ];
    };

  # The artifacts' units that each bound unit is bound to.
  bound = lib.foldAttrs (unit: units: [ unit ] ++ units) [ ] (
    lib.concatMap (one: map (name: { ${name} = one.unit; }) one.bindUnits) artifacts
  );

  # What each service loads, in the words of its unit.
  loaded = lib.foldAttrs (line: lines: [ line ] ++ lines) [ ] (
    lib.concatMap (
      one:
      map ({ unit, id, file }: { ${unit} = "${escape.text' id}:${loadedPath file.path}"; }) (
        credentialsOf one.artifact
      )
    ) artifacts
  );
  loadedPath =
    path:
    let
      below = cfg._lib.belowRuntime path;
    in
    if below == null then escape.text' path else "%t/${escape.text' below}";

  # Units that put files in place which are made elsewhere: those that make them here may take long.
  watched = lib.unique (lib.concatMap (one: one.installers) artifacts);

  # Whether something is made here.
  onTarget = lib.any (one: one.onTarget) artifacts;

  label = one: "artifacts: ${one.artifact.instance}";

  # Kinds of units that can be bound, and the options that define them.
  kinds = {
    service = "services";
    socket = "sockets";
    target = "targets";
    timer = "timers";
    path = "paths";
    slice = "slices";
  };

  # Lines are added to no mount by its name: those of `fileSystems` are no units before the boot, and others are a list.
  refused = {
    mount = "mounts";
    automount = "automounts";
  };
  isRefused = kind: lib.elem kind (lib.attrValues refused);
  isMount = unit: builtins.match ".+\\.(mount|automount)" unit != null;
  mounts =
    remedy:
    lib.concatMap (
      one:
      cfg._lib.guarded (
        map (
          unit:
          fault one [
            "bindUnits"
          ] "`${unit}` is a mount; bind it in its own declaration: ${remedy one.unit}"
        ) (lib.filter isMount one.artifact.bindUnits)
      )
    ) artifacts;

  # `atticd.service` as its name and the option that defines it; null when it is of no known kind.
  parse =
    unit:
    let
      parts = builtins.match "(.+)\\.([a-z]+)" unit;
      kind = (kinds // refused).${lib.last parts} or null;
    in
    if parts == null || kind == null then
      null
    else
      {
        name = lib.head parts;
        inherit kind;
      };

  # What systemd takes as an ID, without what would mean something else in a unit's line.
  isCredential =
    id:
    builtins.match "[^/:\\[:cntrl:]]{1,255}" id != null
    && builtins.match "[[:print:]]+" id != null
    && builtins.match "[^ ](.*[^ ])?" id != null
    && id != "."
    && id != "..";

  badCredentials =
    one:
    lib.concatMap (
      { unit, id, file }:
      let
        here = fault one [
          "files"
          file.name
          "credentials"
          unit
        ];
      in
      when (!isCredential id) (
        here "`${cfg._lib.shown id}` is not a valid ID of a credential; use 1 to 255 printable ASCII characters without slash, backslash, colon and blanks at its ends, and not `.` or `..`"
      )
      ++ when (!lib.hasSuffix ".service" unit) (
        here "`${unit}` is not a service; write, for example, `web.service`"
      )
      ++ when (!file.deploy) (
        here "the file is not deployed; set ${
          cfg._lib.optionOf one.artifact [
            "files"
            file.name
            "deploy"
          ]
        } = true;"
      )
    ) (credentialsOf one.artifact);

  # One ID of one service is one file.
  credentialTwice =
    let
      all = lib.concatMap (
        one:
        map (
          { unit, id, file }:
          {
            inherit one file;
            name = "${unit} ${id}";
            inherit unit id;
          }
        ) (credentialsOf one.artifact)
      ) artifacts;
      option = found: cfg._lib.optionOf found.one.artifact [ "files" found.file.name ];
    in
    lib.concatMap (
      same:
      when (lib.length same > 1) (
        fault (lib.head same).one [
          "files"
          (lib.head same).file.name
          "credentials"
          (lib.head same).unit
        ] "the service has the ID `${(lib.head same).id}` from ${lib.concatMapStringsSep " and " option same}; use another ID"
      )
    ) (lib.attrValues (lib.groupBy (found: found.name) all));

  # systemd acts on each unit by its name: it can neither be asked for a template nor notified of a pattern.
  whole =
    unit:
    builtins.match "[a-zA-Z0-9:_.@\\-]+\\.(service|socket|target|timer|path|slice|mount|automount|swap|scope)" unit
    != null
    && !template unit;
  template = unit: builtins.match "[^@]+@\\.[a-z]+" unit != null;

  fault = one: cfg._lib.fault one.artifact;
  when = lib.optional;

  notified =
    one:
    lib.concatMap
      (
        field:
        lib.concatLists (
          lib.mapAttrsToList (
            name: declared:
            map (
              unit:
              fault one [
                "files"
                name
                field
              ] "`${unit}` is not a complete unit name; write, for example, `web.service` or `web@one.service`"
            ) (lib.filter (unit: !whole unit) declared.${field})
          ) one.files
        )
      )
      [
        "restartUnits"
        "reloadUnits"
      ];

  # Nobody but root is there yet, and nothing that is brought by others.
  beforeUsers =
    one:
    when (!one.onTarget) (
      fault one [ "backend" ]
        "an artifact that is generated before users exist depends on it, but `${one.artifact.backend}` deploys it later; use an on-target backend for both"
    )
    ++
      lib.concatMap
        (
          field:
          lib.concatLists (
            lib.mapAttrsToList (
              name: declared:
              when (builtins.match "root|[0-9]+" (file declared).${field} or "root" == null) (
                fault one [
                  "files"
                  name
                  field
                ] "`${declared.${field}}` does not exist yet when the file is generated; use root or a numeric ID"
              )
            ) one.files
          )
        )
        [
          "owner"
          "group"
        ];

  binds =
    systemd: defined: one: unit:
    let
      known = parse unit;
      here = fault one (
        if lib.elem unit one.artifact.bindUnits then
          [ "bindUnits" ]
        else
          [
            "files"
            (lib.findFirst (given: given.unit == unit) null (credentialsOf one.artifact)).file.name
            "credentials"
            unit
          ]
      );
    in
    if known == null then
      [
        (here "`${unit}` is not a unit that can be bound; write, for example, `${unit}.service` (${lib.concatStringsSep ", " (lib.attrNames kinds)})")
      ]
    else if template unit then
      [
        (here "`${unit}` is a template; write its instances, for example `${
          lib.replaceStrings [ "@." ] [ "@one." ] unit
        }`")
      ]
    else
      when (!defined known.kind known.name) (
        here "unknown unit `${unit}`; fix the name, or declare `${systemd}.${known.kind}.\"${known.name}\" = { };` if a package provides it"
      );

  # What is declared that nothing but our own program does.
  needing =
    let
      has = of: lib.any of artifacts;
      files = field: one: lib.any (file: !lib.elem file.${field} [ [ ] { } ]) (lib.attrValues one.artifact.files);
    in
    when (has (one: one.artifact.bindUnits != [ ])) "bindUnits"
    ++ when (has (files "credentials")) "credentials"
    ++ lib.concatMap (field: when (has (one: !one.notifies && files field one)) field) [
      "restartUnits"
      "reloadUnits"
    ];

  # What is wrong with units. `defined kind name` tells whether something else defines that unit, below the option `systemd`.
  problems =
    systemd: defined:
    let
      inherit (cfg._lib) guarded problem;
      ofOne =
        one:
        when (builtins.stringLength one.unit > 255) (
          fault one [ ]
            "its unit name, ${one.unit}, exceeds the systemd limit of 255 bytes; use a shorter artifact name"
        )
        ++ lib.concatMap (binds systemd defined one) one.bindUnits
        ++ badCredentials one
        ++ notified one;
      lacking =
        program: why:
        problem [ ]
          "artifacts.${program}: ${why}, but it is not set; set it to the package, or use the overlay";
    in
    guarded (
      when (cfg.targetPackage == null && needing != [ ]) (
        lacking "targetPackage" "${lib.concatStringsSep " and " needing} ${
          if lib.length needing == 1 then "needs" else "need"
        } it"
      )
    )
    ++ guarded credentialTwice
    ++ guarded (
      when (onTarget && cfg.package == null) (
        lacking "package" "an on-target backend needs it"
      )
    )
    ++ lib.concatMap (one: guarded (ofOne one)) artifacts
    ++ lib.concatMap (one: guarded (lib.optionals one.early (beforeUsers one))) artifacts;
}
