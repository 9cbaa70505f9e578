using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.NoEmit;

namespace FineMixing.Benchmarks.Kernels;

/// <summary>Runs <see cref="KernelMethods"/> with BenchmarkDotNet, inside this process: nothing is built again and libtorch is found as everywhere else.</summary>
internal static class KernelSuite
{
    public static int Run(string[] args)
    {
        var name = Harness.Option(args, "--job", "medium");
        var job = name switch
        {
            "dry" => Job.Dry,
            "short" => Job.ShortRun,
            "medium" => Job.MediumRun.WithLaunchCount(1),
            _ => throw new ArgumentException($"--job is '{name}'; expected dry, short or medium."),
        };
        var config = ManualConfig.CreateEmpty()
            .AddJob(job.WithToolchain(InProcessNoEmitToolchain.Instance))
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddLogger(ConsoleLogger.Default)
            .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "finemixing-benchmarkdotnet"));
        var summary = BenchmarkRunner.Run<KernelMethods>(config);
        var table = new AccumulationLogger();
        MarkdownExporter.GitHub.ExportToLog(summary, table);

        var harness = new Harness(1);
        harness.Header("Kernels, one thread", $"kernels --job {name}", "BenchmarkDotNet, in process; per element or sentence");
        harness.Line(table.GetLog().Replace("&#39;", "", StringComparison.Ordinal).Trim());
        harness.Save(args);
        return summary.HasCriticalValidationErrors || summary.Reports.Any(r => !r.Success) ? 1 : 0;
    }
}
