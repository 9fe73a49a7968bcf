# One exported configuration -> specs: its own, and those of the Home Manager users inside it.
#
# It runs in the user's flake, whose modules may be older or newer, and with whatever nixpkgs is there: so it uses builtins
# only, and takes what it finds. Nothing is built, and no value keeps a context that would have something built.
{
  kind, # "nixos", "home-manager" or "darwin"
  name, # the attribute
  system ? null, # the admin's, for generators
  strict ? null, # an artifact whose fault is not caught, to learn what it is
  # What of it, where not all of it evaluates:
  own ? true, # its own spec
  users ? null, # those of these users inside it; null for all
  problems ? true, # its faults, of which some need more of it than its declarations
  names ? false, # the names of its users, and nothing else
}:
configurations:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    deepSeq
    filter
    getContext
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
    ) declared;

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

  artifact =
    key: declared: generator:
    let
      whole = plain (keep fields declared) // {
        blocked = false;
        files = mapAttrs (_: set: plain (file set)) declared.files;
        prompts = mapAttrs (_: set: plain (prompt set)) declared.prompts;
        generator = if generator == null then null else stored generator;
      }
      // without (value: value != { }) (plain (keep [ "backendConfig" ] declared));
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
    if key == strict then whole else attempt part whole;

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

  spec =
    {
      kind,
      name,
      label, # how a person finds it in the flake
      artifacts, # `config.artifacts`
      generators, # `config.artifacts.store`, as it is on the admin's system
    }:
    let
      inherit (artifacts) store;
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
        inherit kind name;
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
            # What cannot be evaluated must not pass for no faults, and costs no other.
            x-problems =
              let
                untold = {
                  artifacts = [ ];
                  message = "cannot check the configuration of ${label}: evaluate its config.artifacts.problems to see why";
                  warning = false;
                };
                list = tryEval (artifacts.problems or [ ]);
              in
              if !problems then
                [ ]
              else if list.success then
                map (one: attempt untold (plain one)) list.value
              else
                [ untold ];
            artifacts = mapAttrs (
              key: declared: artifact key declared (generators.${key} or declared).generator
            ) store;
          }
        ];
      };

  isTarget = configuration: configuration ? options.artifacts.store;
  configuration = configurations.${name};

  # The same modules for the admin's system, since that is where generators run. Where the system is not an option, or is set
  # for good, the generators stay what they are.
  forAdmin =
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

  usersOf = from: if from ? options.home-manager.users then from.config.home-manager.users else { };

  itself =
    if own && isTarget configuration then
      [
        (spec {
          inherit kind name;
          label = "${outputs.${kind}}.${name}";
          inherit (configuration.config) artifacts;
          generators = forAdmin.config.artifacts.store;
        })
      ]
    else
      [ ];

  outputs = {
    nixos = "nixosConfigurations";
    home-manager = "homeConfigurations";
    darwin = "darwinConfigurations";
  };

  declared = usersOf configuration;
  inside = concatMap (
    user:
    let
      found = declared.${user};
    in
    if found ? artifacts.store then
      [
        (spec {
          kind = "home-manager";
          name = "${user}@${name}";
          label = "${outputs.${kind}}.${name}, its user ${user},";
          inherit (found) artifacts;
          generators = (usersOf forAdmin).${user}.artifacts.store;
        })
      ]
    else
      [ ]
  ) (if users == null then attrNames declared else users);
in
if names then attrNames declared else itself ++ inside
