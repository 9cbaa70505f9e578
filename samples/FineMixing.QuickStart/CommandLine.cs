using System.CommandLine;
using FineMixing.Cli;
using FineMixing.Cli.Terminal;

namespace FineMixing.QuickStart;

/// <summary>Options, exit codes and the order of things on the screen.</summary>
internal static class CommandLine
{
    private const int Failure = 1;
    private const int WrongUsage = 2;

    public static int Run(string[] args)
    {
        var data = new Option<string?>("--data") { Description = "Your own labelled texts instead of generated reviews: TSV, CSV or JSONL with the columns sentence (or text) and label.", HelpName = "FILE" };
        var seed = new Option<ulong>("--seed") { Description = "Decides everything random.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var seeds = new Option<int>("--seeds") { Description = "Run this many seeds, from --seed on, and print mean and spread only.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var output = new Option<string>("--output") { Description = "Where the cleaned model and the report go; an earlier quick start there is replaced.", HelpName = "DIR", DefaultValueFactory = _ => "quickstart-output" };
        var overwrite = new Option<bool>("--overwrite") { Description = "Write to the output folder even if it holds other files; those stay." };
        var json = new Option<string?>("--json") { Description = "Also write the figures as JSON to this file (replaced if it exists).", HelpName = "FILE" };
        var threads = new Option<int>("--threads") { Description = "CPU threads; 0 takes all. With more than two, the last bits of the result depend on it.", HelpName = "N", DefaultValueFactory = _ => 2 };
        seeds.Validators.Add(r => Require(r.GetValueOrDefault<int>() is >= 1 and <= 1000, r, "--seeds must be 1 to 1000."));
        threads.Validators.Add(r => Require(r.GetValueOrDefault<int>() is >= 0 and <= 1024, r, "--threads must be 0 (all) to 1024."));
        var root = new RootCommand("Plants a backdoor in a small text classifier and removes it again, in about two minutes.") { data, seed, seeds, output, overwrite, json, threads };
        root.SetAction((parsed, token) => Task.Run(() => Guarded(() =>
        {
            var options = new QuickStartOptions { DataFile = parsed.GetValue(data), Seed = parsed.GetValue(seed), Threads = parsed.GetValue(threads) };
            if (parsed.GetValue(seeds) > 1)
                RunSeeds(options, parsed.GetValue(seeds), parsed.GetValue(json), token);
            else
                RunOnce(options, parsed.GetRequiredValue(output), parsed.GetValue(overwrite), parsed.GetValue(json), token);
        }), token));
        var result = root.Parse(args);
        if (result.Errors.Count == 0)
            return result.Invoke();
        foreach (var error in result.Errors)
            Screen.Note(error.Message);
        return WrongUsage;
    }

    private static void RunOnce(QuickStartOptions options, string folder, bool overwrite, string? json, CancellationToken token)
    {
        Output.CheckReplaceable(folder, overwrite);
        var result = ProgressReporter.Run(progress => QuickStartRun.Run(options, progress, token));
        ConsoleView.Show(result);
        Output.Write(result, folder, overwrite);
        JsonFile.Write(json, Figures.Of(result));
        ConsoleView.ShowOutput(folder);
    }

    private static void RunSeeds(QuickStartOptions options, int count, string? json, CancellationToken token)
    {
        var results = Enumerable.Range(0, count).Select(i => options with { Seed = options.Seed + (ulong)i })
            .Select(o => ProgressReporter.Run(progress => QuickStartRun.Run(o, progress, token))).ToList();
        SeedTable.Show(results);
        JsonFile.Write(json, SeedTable.Figures(results));
    }

    private static int Guarded(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (OperationCanceledException)
        {
            Screen.Note("Cancelled; nothing was written.");
            return Failure;
        }
        catch (Exception e) when (e is ArgumentException or IOException or UnauthorizedAccessException or InvalidOperationException || e.GetType().Namespace?.StartsWith("FineMixing", StringComparison.Ordinal) == true)
        {
            Screen.Note(e.Message);
            return Failure;
        }
    }

    private static void Require(bool good, System.CommandLine.Parsing.SymbolResult result, string problem)
    {
        if (!good)
            result.AddError(problem);
    }
}
