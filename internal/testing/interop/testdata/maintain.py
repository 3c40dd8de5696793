"""Runs the node maintenance of Ganeti's watcher and prints what it thinks and does.

Only the hypervisor and DRBD are stood in for: one instance runs, two minors are in use.
"""
import logging
import sys

from ganeti.watcher import nodemaint


class Hypervisor:
    def ListInstances(self, hvparams):
        return ["web1.example.com"]

    def StopInstance(self, instance, force, name):
        print("stopped instance", name, flush=True)


class DRBD8:
    @staticmethod
    def GetUsedDevs():
        return [0, 3]

    @staticmethod
    def ShutdownAll(minor):
        print("shut down minor", minor, flush=True)


nodemaint.hypervisor.GetHypervisor = lambda name: Hypervisor()
nodemaint.drbd.DRBD8 = DRBD8

logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(message)s")
assert nodemaint.NodeMaintenance.ShouldRun()
nodemaint.NodeMaintenance().Exec()
