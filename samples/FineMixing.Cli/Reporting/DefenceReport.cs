using System.Collections.Immutable;
using System.Globalization;
using FineMixing.Mixing;
using FineMixing.Pipelines;
using FineMixing.Probing;
using FineMixing.Provenance;
using FineMixing.Purification;
using FineMixing.Reports;
using FineMixing.Reports.Charts;

namespace FineMixing.Cli.Reporting;

/// <summary>What a defence did, as a page with charts.</summary>
internal static class DefenceReport
{
    private const int TokensShown = 20;

    /// <param name="result">The defence.</param>
    /// <param name="ranking">All tokens by E-PUR.</param>
    /// <param name="manifest">Inputs and options.</param>
    public static Report Build(DefenceResult result, IReadOnlyList<SuspiciousToken> ranking, ProvenanceManifest manifest)
    {
        var builder = new ReportBuilder($"{result.Options.Method.Title()}{(result.Options.PurifyTopK > 0 ? " + E-PUR" : "")}", "How the cleaned model was made. No poisoned text and no test text was looked at.")
            .Heading("Options")
            .KeyValues([
                ("method", manifest.Method),
                ("reserve ratio", result.ReserveRatio is { } ratio ? ratio.ToString("0.##", CultureInfo.InvariantCulture) : "none"),
                .. manifest.Options.Select(o => (o.Key, o.Value)),
                ("seed", result.Options.Seed.ToString(CultureInfo.InvariantCulture)),
                ("library version", manifest.LibraryVersion),
                .. manifest.Inputs.SelectMany(i => i.Files.Select(f => ($"{i.Role}, {f.Name}", $"SHA-256 {f.Sha256}"))),
            ]);
        if (result.Search is { } search)
            AddSearch(builder, search);
        if (result.Probe is { } probe)
            ProbeView.AddTo(builder, probe);
        AddLayers(builder, result);
        ScanReport.AddCharts(builder, ranking, result.Options.PurifyTopK);
        builder.Table(
            [new("rank", true), new("token"), new("id", true), new("score", true), new("drift", true), new("frequency", true)],
            [.. ranking.Take(TokensShown).Select(t => (IReadOnlyList<string>)
                [
                    t.Rank.ToString(CultureInfo.InvariantCulture), t.Token, t.Id.ToString(CultureInfo.InvariantCulture), t.Score.ToString("F5", CultureInfo.InvariantCulture),
                    t.Drift.ToString("F4", CultureInfo.InvariantCulture), t.Frequency.ToString("N0", CultureInfo.InvariantCulture),
                ])],
            $"The first {TokensShown} tokens; {result.ResetTokens.Count} rows were reset.");
        return builder.Build();
    }

    private static void AddSearch(ReportBuilder builder, RatioSearchResult search)
    {
        builder.Heading("Search for the reserve ratio")
            .Chart(new RatioSearchChart
            {
                Title = "Accuracy on held-out clean texts",
                Caption = "Cross-validated on the clean texts alone. The smallest ratio above the dashed line is taken; the band is the 95% interval.",
                Trials = [.. search.Table.Select(r => new RatioTrial(r.Ratio, Interval(r)))],
                SuspectAccuracy = search.SuspectAccuracy,
                Tolerance = search.Tolerance,
                Chosen = search.Ratio,
            }, "ratio-search")
            .Table(
                [new("reserve ratio", true), new("correct", true), new("of", true), new("accuracy (%)", true), new("")],
                [.. search.Table.Select(r => (IReadOnlyList<string>)
                    [
                        r.Ratio.ToString("0.##", CultureInfo.InvariantCulture), r.Correct.ToString(CultureInfo.InvariantCulture), r.Samples.ToString(CultureInfo.InvariantCulture),
                        (r.Accuracy * 100).ToString("F1", CultureInfo.InvariantCulture), r.Chosen ? "chosen" : "",
                    ])]);
        if (!search.WithinTolerance)
            builder.Paragraph("No ratio kept the accuracy within the tolerance; the most accurate one was taken.");
    }

    private static Rate Interval(RatioSearchRow row)
    {
        var proportion = new Evaluation.Proportion(row.Correct, row.Samples);
        return new Rate(proportion.Rate, proportion.Low, proportion.High);
    }

    /// <summary>The ratio of each layer, where a schedule makes them differ.</summary>
    private static void AddLayers(ReportBuilder builder, DefenceResult result)
    {
        var layers = result.MixedTensors.Where(t => t.BaseName is not null)
            .GroupBy(t => LayerOf(t.Name))
            .Select(g => (Name: g.Key, Ratio: g.Sum(t => (t.Ratio ?? (t.Action == TensorAction.Suspect ? 1 : 0)) * t.Elements) / Math.Max(1, g.Sum(t => t.Elements))))
            .ToImmutableArray();
        if (layers.Select(l => l.Ratio).Distinct().Count() < 2)
            return;
        builder.Heading("Reserve ratio of each layer").Chart(new LayerBarChart
        {
            Title = "Share of the weights kept from the suspect",
            Layers = [.. layers.Select(l => l.Name)],
            Columns = [new LayerColumn("reserve ratio", [.. layers.Select(l => l.Ratio)])],
        }, "layers");
    }

    private static string LayerOf(string tensor)
    {
        var parts = tensor.Split('.');
        var number = Array.FindIndex(parts, p => p.Length > 0 && p.All(char.IsAsciiDigit));
        return number > 0 ? $"{parts[number - 1]} {parts[number]}" : parts.FirstOrDefault(p => p is "embeddings" or "pooler" or "classifier") ?? parts[0];
    }
}
