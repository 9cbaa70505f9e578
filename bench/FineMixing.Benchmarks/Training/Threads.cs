using FineMixing.Benchmarks.Kernels;
using TorchSharp;

namespace FineMixing.Benchmarks.Training;

/// <summary>The option <c>--threads</c>: all by default; 1 on a machine that does other work, where libtorch's threads would wait for each other.</summary>
internal static class Threads
{
    /// <summary>Tells libtorch; returns the number.</summary>
    public static int Set(string[] args)
    {
        Torch.Native.TorchRuntime.EnsureLoaded();
        var threads = Harness.Integer(args, "--threads", Environment.ProcessorCount);
        torch.set_num_threads(threads);
        return threads;
    }

    /// <summary>The option as given, for the command in a table's head.</summary>
    public static string Argument(string[] args) => args.Contains("--threads") ? $" --threads {Harness.Option(args, "--threads", "")}" : "";
}
