using System.Globalization;
using FineMixing.Cli.Terminal;
using FineMixing.Probing;
using FineMixing.Reports;

namespace FineMixing.Cli.Reporting;

/// <summary>What a search for a trigger found, on the screen and on a page.</summary>
internal static class ProbeView
{
    private const int Shown = 5;
    private const int ShownOnPage = 20;

    public static void Show(ProbeResult probe)
    {
        Screen.Table(
            [new("phrase"), new("label"), new("flips in the suspect", true), new("in the reference", true), new("")],
            [.. Ordered(probe).Take(Shown).Select(p => (IReadOnlyList<string>)
                [p.Text, p.TargetLabel.ToString(CultureInfo.InvariantCulture), Percent(p.SuspectFlips) + "%", Percent(p.ReferenceFlips) + "%", probe.Removed.Contains(p) ? "removed" : ""])]);
        Screen.Line(Summary(probe));
    }

    public static void AddTo(ReportBuilder builder, ProbeResult probe) => builder.Heading("Search for the trigger")
        .Paragraph("Suspicious tokens were put into the clean texts, alone and joined to phrases. A trigger carries the suspect to its label and leaves the reference, a distilled model, where it was; a word with a meaning moves both.")
        .Table(
            [new("phrase"), new("label", true), new("flips in the suspect (%)", true), new("in the reference (%)", true), new("gain in margin", true), new("insertions", true), new("")],
            [.. Ordered(probe).Take(ShownOnPage).Select(p => (IReadOnlyList<string>)
                [
                    p.Text, p.TargetLabel.ToString(CultureInfo.InvariantCulture), Percent(p.SuspectFlips), Percent(p.ReferenceFlips),
                    p.Gain.ToString("F1", CultureInfo.InvariantCulture), p.Trials.ToString(CultureInfo.InvariantCulture), probe.Removed.Contains(p) ? "removed" : "",
                ])])
        .Paragraph(probe.Removed.IsEmpty ? Summary(probe) : $"{Summary(probe)} The most evidence left is {Percent(probe.EvidenceLeft ?? 0)}%.");

    private static IEnumerable<ProbedPhrase> Ordered(ProbeResult probe) => probe.Removed.Union(probe.Phrases);

    private static string Summary(ProbeResult probe) => probe switch
    {
        { Removed.IsEmpty: true } => "No phrase acts enough like a trigger: the distilled model was taken.",
        { ByPurification: true } => $"'{probe.RemovedText}' acts like a trigger for label {Label(probe)}: E-PUR alone removed it.",
        _ => $"'{probe.RemovedText}' acts like a trigger for label {Label(probe)}: it was unlearned.",
    };

    private static string Label(ProbeResult probe) => string.Join(", ", probe.Removed.Select(p => p.TargetLabel).Distinct().Order().Select(l => l.ToString(CultureInfo.InvariantCulture)));

    private static string Percent(double share) => (share * 100).ToString("F0", CultureInfo.InvariantCulture);
}
