using FineMixing.Benchmarks.Kernels;
using FineMixing.Benchmarks.Processes;
using FineMixing.Benchmarks.Training;

// One command a line; each prints Markdown tables of medians and of ratios measured in the same run.
var commands = new Dictionary<string, Func<string[], int>>(StringComparer.Ordinal)
{
    ["mixing"] = MixingBenchmark.Run,
    ["epur"] = PurificationBenchmark.Run,
    ["files"] = FilesBenchmark.Run,
    ["files-memory"] = FilesMemoryBenchmark.Run,
    ["training"] = TrainingBenchmark.Run,
    ["evaluation"] = EvaluationBenchmark.Run,
    ["epoch"] = EpochBenchmark.Run,
    ["optimizer"] = OptimizerBenchmark.Run,
    ["sidebyside"] = SideBySideBenchmark.Run,
    ["loss"] = LossComparison.Run,
    ["memory"] = MemoryBenchmark.Run,
    ["defence"] = DefenceBenchmark.Run,
    ["kernels"] = KernelSuite.Run,
};

if (args.Length == 0 || !commands.TryGetValue(args[0], out var command))
{
    Console.Error.WriteLine($"usage: FineMixing.Benchmarks COMMAND [options]; commands: {string.Join(", ", commands.Keys)}");
    return 2;
}

return command(args[1..]);
