# The bundled backends: `name`, `module` (its file in nix/modules/backends), and `onTarget`, whether the target makes their files.
builtins.fromJSON (builtins.readFile ../../plugins/bundled.json)
