// libtorch uses every core within one test; tests beside each other would only wait for each other's threads.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
