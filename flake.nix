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
    { self, nixpkgs, ... }:
    {
      nixosModules = {
        default = ./nix/modules/nixos.nix;
        agenix = ./nix/modules/backends/agenix.nix;
      };

      homeModules = {
        default = ./nix/modules/home-manager.nix;
        agenix = ./nix/modules/backends/agenix.nix;
      };

      darwinModules = {
        default = ./nix/modules/darwin.nix;
        agenix = ./nix/modules/backends/agenix.nix;
      };
    };
}
