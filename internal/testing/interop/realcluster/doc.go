// Package realcluster lets a whole Ganeti cluster live on one machine, from its making to its
// destruction, by Ganeti's own tools: three nodes, two of which have this project's daemon in place
// of Ganeti's, with Ganeti's beside it on another port. After each step of that life both are asked
// the same, and every write of the configuration is timed until each answers from it. It has no code
// of its own outside the tests.
//
// A node is a set of namespaces with a copy of the machine's own root, made by an overlay in memory.
// All of them are in namespaces of the test, which are gone with it, however it ends; the machine's
// files, network and processes are never touched. It takes root, Linux with overlay and bridges,
// Debian's packages ganeti, ganeti-3.0, ganeti-haskell-3.0, openssh-server and iproute2; without
// these the test skips, unless CONFD_INTEROP=require makes that a failure.
package realcluster
