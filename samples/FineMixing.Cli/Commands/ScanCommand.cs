using System.CommandLine;
using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Reporting;
using FineMixing.Cli.Terminal;
using FineMixing.Purification;
using FineMixing.Tokenization;

namespace FineMixing.Cli.Commands;

/// <summary><c>finemix scan</c>: which tokens look like triggers?</summary>
internal static class ScanCommand
{
    public static Command Create()
    {
        var suspect = CommonOptions.Folder("--suspect", "The fine-tuned model.");
        var adapter = CommonOptions.Adapter();
        var @base = CommonOptions.Folder("--base", "The pre-trained model it comes from.");
        var top = Numbers.Whole("--top", "How many tokens to show.", 20, 1);
        var frequencies = CommonOptions.Frequencies();
        var json = CommonOptions.Json();
        var report = CommonOptions.Report();
        var command = new ExampleCommand("scan", "Ranks the tokens by E-PUR: how far the embedding moved for how rare the token is.",
            "finemix scan --suspect ./suspect --base ./bert-base-uncased",
            "finemix scan --suspect ./suspect --base ./bert-base-uncased --top 200 --json tokens.json --report ./report")
        {
            suspect, adapter, @base, top, frequencies, json, report,
        };
        command.SetAction((parsed, token) => Task.Run(
            () => Run(parsed.GetRequiredValue(suspect), parsed.GetValue(adapter), parsed.GetRequiredValue(@base), parsed.GetValue(top), parsed.GetValue(frequencies), parsed.GetValue(json), parsed.GetValue(report), token), token));
        return command;
    }

    private static int Run(string suspectFolder, string? adapter, string baseFolder, int top, string? frequencies, string? json, string? report, CancellationToken token)
    {
        using var suspect = Suspect.Open(suspectFolder, adapter);
        using var @base = Checkpoint.Open(baseFolder, NoteLogger.Instance);
        var tokenizer = WordPieceTokenizer.FromFolder(suspectFolder);
        var options = new PurificationOptions();
        var ranking = new EmbeddingPurifier(TokenTable.Read(frequencies), options).Rank(suspect, @base, tokenizer, ct: token);

        Screen.Table(
            [new("rank", true), new("token"), new("id", true), new("score", true), new("drift", true), new("frequency", true)],
            [.. ranking.Take(top).Select(t => (IReadOnlyList<string>)
                [Text(t.Rank), t.Token, Text(t.Id), t.Score.ToString("F5", CultureInfo.InvariantCulture), t.Drift.ToString("F4", CultureInfo.InvariantCulture), t.Frequency.ToString("N0", CultureInfo.InvariantCulture)])]);
        JsonFile.Write(json, new { tokens = ranking.Take(top) });
        if (report is not null)
        {
            ScanReport.Build(ranking, top, options.TopK).Save(report);
            Screen.Note($"The report is in {Path.Combine(report, Reports.Report.PageName)}.");
        }

        return 0;
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
