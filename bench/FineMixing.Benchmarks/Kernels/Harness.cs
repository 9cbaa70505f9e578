using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace FineMixing.Benchmarks.Kernels;

/// <summary>One thing to time.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Run">What is timed.</param>
/// <param name="Prepare">Done before each run, not timed.</param>
/// <param name="Against">The case whose time this one's is divided by; null for the first.</param>
/// <param name="Goal">The largest ratio (or, beginning with ">=", the smallest inverse ratio) that is aimed at.</param>
/// <param name="Times">What the time is multiplied by: above 1 for a case that does only a part of the work.</param>
/// <param name="Part">For a case that is a part of another one, which ran before it: how long that part took.</param>
internal sealed record Case(string Name, Action Run, Action? Prepare = null, string? Against = null, string? Goal = null, double Times = 1, Func<TimeSpan>? Part = null)
{
    public static Case PartOf(string whole, string name, Func<TimeSpan> part, string? goal = null) => new(name, () => { }, Against: whole, Goal: goal, Part: part);
}

/// <summary>Times cases in turn, round after round, so that a busy machine hits all alike, and prints medians and medians of the ratios of each round.</summary>
/// <param name="rounds">Rounds that count.</param>
/// <param name="warmUp">Whether a round that does not count goes first.</param>
internal sealed class Harness(int rounds, bool warmUp = true)
{
    // OpenMP's threads go on spinning for some milliseconds after TorchSharp's work: the next case should not have to share the processors with them.
    private const int Pause = 20;

    private readonly StringBuilder _report = new();

    public string Report => _report.ToString();

    public static string Option(string[] args, string name, string fallback)
    {
        var index = Array.IndexOf(args, name);
        return index >= 0 && index + 1 < args.Length ? args[index + 1] : fallback;
    }

    public static int Integer(string[] args, string name, int fallback) => int.Parse(Option(args, name, fallback.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);

    public static double Median(double[] values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }

    public void Line(string text)
    {
        Console.WriteLine(text);
        _report.AppendLine(text);
    }

    /// <summary>Machine, runtime and load, and the command.</summary>
    /// <param name="title">The page's title.</param>
    /// <param name="command">Command and options of this program.</param>
    /// <param name="method">How the numbers come about, where they are not times of <see cref="Measure"/>.</param>
    public void Header(string title, string command, string? method = null)
    {
        Line($"# {title}");
        Line("");
        Line($"- Command: `dotnet run -c Release --project bench/FineMixing.Benchmarks -- {command}`");
        Line($"- Machine: {Cpu()}, {Environment.ProcessorCount} processors, .NET {Environment.Version}");
        var load = File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";
        Line($"- Load average when the run began: {load}{(double.TryParse(load, CultureInfo.InvariantCulture, out var l) && l > 1 ? " (other work was running: times are longer and ratios less certain than on an idle machine)" : "")}");
        Line($"- {method ?? FormattableString.Invariant($"{rounds} round{(rounds == 1 ? "" : "s")}, all cases in turn in each{(warmUp ? "" : ", no warm-up round")}; medians, and medians of the ratios within a round")}");
        Line("");
    }

    public void Measure(string title, params Case[] cases)
    {
        var times = cases.ToDictionary(c => c.Name, _ => new double[rounds], StringComparer.Ordinal);
        for (var round = warmUp ? -1 : 0; round < rounds; round++)
        {
            foreach (var item in cases)
            {
                item.Prepare?.Invoke();
                if (item.Part is null)
                    Thread.Sleep(Pause);
                var watch = Stopwatch.StartNew();
                item.Run();
                watch.Stop();
                var took = item.Part?.Invoke() ?? watch.Elapsed;
                if (round >= 0)
                    times[item.Name][round] = took.TotalMilliseconds * item.Times;
            }
        }

        Line($"## {title}");
        Line("");
        Line("| case | ms (median) | ms (best) | ratio | against | goal |");
        Line("|---|---|---|---|---|---|");
        foreach (var item in cases)
        {
            var ms = times[item.Name];
            var ratio = item.Against is null ? "" : Ratio(Median([.. ms.Zip(times[item.Against], (a, b) => a / b)]));
            Line(string.Create(CultureInfo.InvariantCulture, $"| {item.Name} | {Median(ms):0.0} | {ms.Min():0.0} | {ratio} | {item.Against} | {item.Goal} |"));
        }

        Line("");
    }

    public void Save(string[] args)
    {
        var path = Option(args, "--output", "");
        if (path.Length > 0)
            File.WriteAllText(path, Report.ReplaceLineEndings("\n").TrimEnd() + "\n");
    }

    private static string Ratio(double ratio) => ratio.ToString(ratio < 0.1 ? "0.000" : "0.00", CultureInfo.InvariantCulture);

    private static string Cpu() => File.Exists("/proc/cpuinfo")
        ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "unknown processor"
        : System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture.ToString();
}
