# One exported configuration -> specs: its own, and those of the configurations inside it.
#
# It runs in the user's flake, whose modules may be older or newer, and with whatever nixpkgs is there: so it uses builtins
# only, and takes what it finds. Nothing is built, and no value keeps a context that would have something built.
{
  kind, # "nixos", "home-manager" or "darwin"
  name, # the attribute
  system ? null, # the admin's, for generators
  # An artifact of a target (`kind`, `name`, `artifact`) whose fault is not caught, to learn what it is; nothing else is evaluated.
  strict ? null,
  # What of it, where not all of it evaluates:
  parts ? false, # what is directly inside it (`key`, `kind`, `name`), and nothing else
  only ? null, # the part of this key, with what is inside that; "" for none
  besides ? [ ], # all but the parts of these keys
  problems ? true, # its faults, of which some need more of it than its declarations
  # A function from a configuration to what is wanted of it in place of its spec: `{ kind, name, place, form, found }` of each that
  # is inside. `form` says that it is another form of its target; of one that does not evaluate, `found` is null.
  instead ? null,
}:
configurations:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    deepSeq
    elem
    filter
    foldl'
    getContext
    groupBy
    hasContext
    head
    isAttrs
    isFunction
    isList
    isPath
    isString
    length
    listToAttrs
    map
    mapAttrs
    match
    substring
    tail
    tryEval
    unsafeDiscardStringContext
    ;

  keep =
    names: set:
    listToAttrs (
      concatMap (
        key:
        if set ? ${key} then
          [
            {
              name = key;
              value = set.${key};
            }
          ]
        else
          [ ]
      ) names
    );

  without = wanted: set: keep (filter (key: wanted set.${key}) (attrNames set)) set;

  # Plain data. `toJSON` would copy a path to the store, and so would discarding a path's context: its text first.
  plain =
    value:
    if isPath value then
      unsafeDiscardStringContext (toString value)
    else if isString value then
      unsafeDiscardStringContext value
    else if isList value then
      map plain value
    else if isFunction value then
      throw "artifacts: a function is not data"
    else if isAttrs value then
      if value ? outPath then plain value.outPath else mapAttrs (_: plain) value
    else
      value;

  # Store names take no blank and no leading dot.
  storeName =
    path:
    let
      base = baseNameOf (unsafeDiscardStringContext (toString path));
      safe = builtins.replaceStrings [ " " ] [ "-" ] base;
    in
    if match "[a-zA-Z0-9+?=_-][a-zA-Z0-9+._?=-]*" safe != null then substring 0 200 safe else "file";

  # A file in the store with the derivation that makes it, to be realised when it is needed.
  stored =
    value:
    if isAttrs value && value ? drvPath then
      {
        path = plain "${value}";
        drv = plain value.drvPath;
        system = value.system or null;
      }
    else if isPath value then
      {
        # Its own store path: its closure is then the file alone, not the flake.
        path = plain (
          builtins.path {
            path = value;
            name = storeName value;
          }
        );
        drv = null;
        system = null;
      }
    else
      let
        text = "${value}";
        drvs = filter (path: match ".*\\.drv" path != null) (attrNames (getContext text));
      in
      {
        path = plain text;
        drv =
          if drvs == [ ] then
            null
          else if length drvs == 1 then
            head drvs
          else
            throw "artifacts: `${plain text}` needs several derivations; make it one derivation";
        system = null;
      };

  attempt =
    fallback: value:
    let
      result = tryEval (deepSeq value value);
    in
    if result.success then result.value else fallback;

  # A public file's path is its own stored copy, which need not be there yet.
  file =
    declared:
    keep (
      [
        "secret"
        "deploy"
        "mode"
        "owner"
        "group"
      ]
      ++ (if declared.secret or true then [ "path" ] else [ ])
    ) declared
    // without (units: units != [ ]) {
      # A unit that has the file as a credential has read it when it started.
      restartUnits = declared.restartUnits or [ ] ++ attrNames (declared.credentials or { });
      reloadUnits = declared.reloadUnits or [ ];
    };

  prompt = keep [
    "description"
    "type"
    "testValue"
    "required"
  ];

  fields = [
    "description"
    "shared"
    "backend"
    "recipients"
    "dependencies"
    "validation"
    "maxAge"
    "timeout"
    "network"
  ];

  # What is read of an artifact; it may fail.
  wholeArtifact =
    declared: generator:
    plain (keep fields declared)
    // {
      blocked = false;
      files = mapAttrs (_: set: plain (file set)) declared.files;
      prompts = mapAttrs (_: set: plain (prompt set)) declared.prompts;
      generator = if generator == null then null else stored generator;
    }
    // without (value: value != { }) (plain (keep [ "backendConfig" ] declared))
    // without (value: value != "automatic") (plain (keep [ "rotation" ] declared));

  artifact =
    declared: generator:
    let
      # What can be told of an artifact that reads a public value that is not there yet.
      part =
        without (value: value != null) (
          mapAttrs (field: _: attempt null (plain declared.${field})) (
            keep [
              "description"
              "shared"
              "backend"
              "dependencies"
            ] declared
          )
        )
        // {
          blocked = true;
        };
    in
    attempt part (wholeArtifact declared generator);

  backend =
    entry:
    let
      inherit (entry) component;
    in
    plain (
      keep [
        "sha256"
        "storage"
        "grants"
        "limits"
      ] entry
    )
    // {
      component =
        if isString component && !hasContext component then
          component
        else
          let
            found = stored component;
          in
          if found.drv == null then
            found.path
          else
            {
              inherit (found) path drv;
            };
    };

  # A backend that is configured with nothing is not configured.
  backendConfig = set: if isAttrs set then without (value: value != null) (plain set) else plain set;

  # What one configuration declares, before it is put together with what else declares the same target.
  specOf =
    node:
    let
      inherit (node) kind name place;
      inherit (node.config) artifacts;
      inherit (artifacts) store;
      generators = node.forAdmin.artifacts.store;
      named = artifacts.target or name;
      # Shared artifacts have no target in their path.
      own = filter (one: attempt true (!(one.shared or false))) (attrValues store);
      readByName =
        one:
        (artifacts.rendering or { }) ? ${one.backend}
        || builtins.any (file: !file.secret) (attrValues one.files);
      matters = builtins.any (one: attempt true (readByName one)) own;
    in
    if named != name && matters then
      # What it takes itself for may own entries as well.
      {
        inherit kind name place;
        takesItselfFor = named;
      }
    else
      {
        schema = 1;
        root = if artifacts.root or null == null then null else plain (toString artifacts.root);
        backends = mapAttrs (_: backend) (artifacts.backends or { });
        targets = [
          {
            inherit kind name;
            system = artifacts.system or null;
            hostKey = plain (artifacts.hostKey or null);
            recipients = plain (artifacts.recipients or { });
            config = mapAttrs (_: backendConfig) (artifacts.config or { });
            x-place = place;
            # What cannot be evaluated must not pass for no faults, and costs no other.
            x-problems =
              let
                untold = {
                  artifacts = [ ];
                  message = "cannot check the configuration of ${place}: evaluate its config.artifacts.problems to see why";
                  warning = false;
                };
                list = tryEval (artifacts.problems or [ ]);
              in
              if !problems || isTrial node then
                [ ]
              else if list.success then
                map (one: attempt untold (plain one)) list.value
              else
                [ untold ];
            artifacts = mapAttrs (
              key: declared: artifact declared (generators.${key} or declared).generator
            ) store;
          }
        ];
      };

  # In another form, of which nothing is stored: what it makes is the form's own.
  isTrial = node: node.isInForm && node.config.artifacts.testMachine or false;

  # Where a file is on the target, whose, and what notices it, is each form's own: nothing of it is stored.
  unplaced =
    declared:
    declared
    // {
      files = mapAttrs (
        _: file:
        removeAttrs file [
          "path"
          "mode"
          "owner"
          "group"
          "restartUnits"
          "reloadUnits"
        ]
      ) declared.files;
    };

  differing =
    one: other:
    filter (field: one.${field} or null != other.${field} or null) (attrNames (one // other));

  # A target with what another form of it declares as well: the same name is the same declaration.
  joined =
    spec:
    { node, spec' }:
    let
      target = head spec.targets;
      other = head spec'.targets;
      problem = artifacts: option: {
        inherit artifacts;
        message = "${option}: it differs between ${target.x-place} and ${node.place}, which are one target; declare it alike in both${
          if artifacts == [ ] then "" else ", or give the artifact another name in one of them"
        }";
        warning = false;
      };
      settings =
        spec: target:
        removeAttrs target [
          "artifacts"
          "x-place"
          "x-problems"
        ]
        // {
          inherit (spec) root;
        };
      ofTarget = differing (settings spec target) (settings spec' other);
      ofArtifact =
        key:
        let
          one = target.artifacts.${key};
          two = other.artifacts.${key};
        in
        if !(target.artifacts ? ${key}) || one.blocked || two.blocked then
          [ ]
        else
          map (field: problem [ key ] "artifacts.store.${key}.${field}") (
            differing (unplaced one) (unplaced two)
          );
      found =
        map (field: problem [ ] "artifacts.${field}") ofTarget
        ++ concatMap ofArtifact (attrNames other.artifacts);
    in
    spec
    // {
      backends = spec'.backends // spec.backends;
      targets = [
        (
          target
          // {
            artifacts = other.artifacts // target.artifacts;
            x-problems =
              target.x-problems
              ++ filter (one: !(elem one target.x-problems)) other.x-problems
              ++ (if problems && !isTrial node then found else [ ]);
          }
        )
      ];
    };

  # The specs of all that declare one target: its own first, then those of its other forms.
  specsOf =
    nodes:
    let
      all = map (node: {
        inherit node;
        spec' = specOf node;
      }) nodes;
      whole = filter (one: !(one.spec' ? takesItselfFor)) all;
    in
    map (one: one.spec') (filter (one: one.spec' ? takesItselfFor) all)
    ++ (if whole == [ ] then [ ] else [ (foldl' joined (head whole).spec' (tail whole)) ]);

  # Where configurations are inside a configuration: the option that has them by name, in what of each the configuration is, and what
  # a person calls one. Those without a kind are the same target in another form, and come last: they have most of the others in them
  # again.
  insides = [
    {
      word = "user";
      option = [
        "home-manager"
        "users"
      ];
      configuration = one: one;
      kind = "home-manager";
      nameOf = above: user: _: "${user}@${above.name}";
    }
    {
      word = "container";
      option = [ "containers" ];
      # A container that is a path has no configuration here.
      configuration =
        one:
        if (tryEval (one.config != null)).success || !(tryEval (one.path or (throw ""))).success then
          one.config or null
        else
          null;
      kind = "nixos";
      nameOf = ownName;
    }
    {
      word = "microVM";
      option = [
        "microvm"
        "vms"
      ];
      # One that is built from another flake has no configuration here. It is a whole evaluation, not its `config` alone.
      configuration =
        one: if one.config or null == null then null else one.config.config or one.config;
      kind = "nixos";
      nameOf = ownName;
    }
    {
      word = "specialisation";
      option = [ "specialisation" ];
      configuration = one: one.configuration or null;
      kind = null;
    }
    {
      word = "VM variant";
      option = [ "virtualisation" ];
      names =
        node:
        filter (variesFor node) [
          "vmVariant"
          "vmVariantWithBootLoader"
        ];
      configuration = one: one;
      kind = null;
    }
  ];

  # It names itself, since no flake does.
  ownName =
    _: name: config:
    config.artifacts.target or config.networking.hostName or name;

  # A VM is the machine itself unless somebody besides our own module says something of it: nothing is to be evaluated for that.
  variesFor =
    node: variant:
    let
      option = node.options.virtualisation.${variant} or { };
    in
    builtins.any (one: one.file != "artifacts/test-machine") (option.definitionsWithLocations or [ ]);

  at =
    path: set:
    if path == [ ] then
      set
    else if isAttrs set && set ? ${head path} then
      at (tail path) set.${head path}
    else
      null;

  # What is directly inside a configuration. Whether there is a configuration is to be evaluated, and not looked at here.
  partsOf =
    node:
    concatMap (
      inside:
      let
        set = at inside.option node.config;
        names =
          if inside ? names then
            inside.names node
          else if isAttrs set then
            attrNames set
          else
            [ ];
        part =
          one:
          let
            isForm = inside.kind == null;
            kind = if isForm then node.kind else inside.kind;
            config = inside.configuration set.${one};
            admins = at (inside.option ++ [ one ]) node.forAdmin;
            forAdmin = if admins == null then null else inside.configuration admins;
            key = "${inside.word} ${one}";
          in
          {
            inherit
              kind
              isForm
              config
              key
              ;
            isInForm = isForm || node.isInForm;
            # Of a configuration inside another one, NixOS gives its values alone; its options only our module has.
            options = config.artifacts._lib.options or { };
            # What it is called where its configuration does not evaluate.
            called =
              if isForm then
                node.called
              else if kind == "home-manager" then
                "${one}@${node.called}"
              else
                one;
            name = if isForm then node.name else inside.nameOf node one config;
            isNamedHere = isForm || kind == "home-manager";
            place = "${node.place}, its ${key}";
            forAdmin = if forAdmin == null then config else forAdmin;
            # All forms of a target have this in common.
            identity = if isForm then node.identity else "${node.identity}, its ${key}";
          };
      in
      map part names
      # A form has no further forms; what is a target of its own inside it has.
    ) (filter (inside: inside.kind != null || !node.isForm) insides);

  # A form that does not evaluate is found all the same where something else than specs is wanted.
  isBroken = node: instead != null && node.isInForm && !(tryEval (node.config != null)).success;

  # A configuration with all that is inside it. What is left out is left out of each form.
  walk =
    node:
    if isBroken node then
      [ node ]
    else if node.config == null then
      [ ]
    else
      [ node ]
      ++ concatMap walk (
        filter (part: node.identity != exported.identity || !(elem part.key besides)) (partsOf node)
      );

  configuration = configurations.${name};

  # The same modules for the admin's system, since that is where generators run. Where the system is not an option, or is set
  # for good, the generators stay what they are.
  onAdminsSystem =
    let
      # A machine whose users alone have artifacts has no system of ours.
      systemOf = from: from.config.artifacts.system or from.config.nixpkgs.hostPlatform.system or null;
      own = systemOf configuration;
      extended = configuration.extendModules {
        modules = [
          {
            config.nixpkgs.hostPlatform = {
              _type = "override";
              priority = 0;
              content = system;
            };
          }
        ];
      };
    in
    if
      system == null
      || own == system
      || !(configuration ? extendModules)
      || !(configuration ? options.nixpkgs.hostPlatform)
      || !(tryEval (systemOf extended)).success
    then
      configuration
    else
      extended;

  outputs = {
    nixos = "nixosConfigurations";
    home-manager = "homeConfigurations";
    darwin = "darwinConfigurations";
  };

  exported = rec {
    inherit kind name;
    called = name;
    isForm = false;
    isInForm = false;
    isNamedHere = true;
    place = "${outputs.${kind}}.${name}";
    identity = place;
    inherit (configuration) config;
    options = configuration.options or { };
    forAdmin = onAdminsSystem.config;
  };

  direct = partsOf exported;
  chosen =
    if only == null then
      walk exported
    else if only == "" then
      [ exported ]
    else
      concatMap walk (filter (part: part.key == only) direct);

  isTarget = node: node.config ? artifacts.store;

  # The configuration that has an artifact of a target: first among those whose name is known without a look into them.
  owner =
    let
      isOf = node: node.kind == strict.kind && node.name == strict.name;
      near = filter (node: node.isNamedHere && isOf node) ([ exported ] ++ direct);
      pick =
        nodes: otherwise:
        if nodes == [ ] then
          otherwise
        else if (head nodes).config.artifacts.store or { } ? ${strict.artifact} then
          head nodes
        else
          pick (tail nodes) otherwise;
    in
    pick near (
      pick (filter isOf (walk exported)) (throw "artifacts: ${strict.artifact} is not declared any more")
    );
in
if parts then
  map (part: {
    inherit (part) key kind place;
    name = part.called;
  }) direct
else if strict != null then
  [
    (wholeArtifact owner.config.artifacts.store.${strict.artifact}
      owner.forAdmin.artifacts.store.${strict.artifact}.generator
    )
  ]
else if instead != null then
  map (node: {
    inherit (node) kind name place;
    form = node.isInForm;
    found = if node.isInForm then attempt null (instead node.config) else instead node.config;
  }) chosen
else
  let
    found = filter isTarget chosen;
    inOrder = filter (node: !node.isInForm) found ++ filter (node: node.isInForm) found;
  in
  concatMap specsOf (attrValues (groupBy (node: node.identity) inOrder))
