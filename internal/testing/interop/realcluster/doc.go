// Package realcluster runs a whole Ganeti cluster on one machine, from creation to destruction,
// with Ganeti's own tools. Two of its three nodes have this project's daemon instead of
// Ganeti's, with Ganeti's beside it on another port. After each step the test asks both the same
// questions and compares the replies. It also measures how soon each daemon answers from each
// new configuration. It has only tests.
//
// A node is a set of namespaces with a copy of the machine's root directory, made by an overlay
// in memory. All of them are in namespaces of the test, which disappear with it, however it
// ends; the machine's files, network and processes are never touched. The test needs root, Linux
// with overlay and bridges, and Debian's packages ganeti, ganeti-3.0, ganeti-haskell-3.0,
// openssh-server and iproute2. Without these it is skipped, or fails with CONFD_INTEROP=require.
package realcluster
