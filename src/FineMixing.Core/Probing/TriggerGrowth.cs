using System.Globalization;
using FineMixing.Mixing;
using FineMixing.Models;

namespace FineMixing.Probing;

/// <summary>Makes the whole of a part of a trigger: at each place in it the best common word, chosen anew once the others stand there too.</summary>
/// <remarks>
/// E-PUR finds the rare words of a trigger and not its common ones, and a part makes the suspect so sure already that no further word seems to add anything. Half way from the reference to the suspect the backdoor is weak,
/// and there the words of the trigger, in their order, stand out. As the phrase gets better, the suspect is weakened further.
/// What the phrase does in the reference is subtracted. Phrases are put at the start and at the end of texts, and the lesser gain counts: a conjunction such as "although" takes the weight from what follows it.
/// </remarks>
internal sealed class TriggerGrowth(PhraseMeter meter, TriggerProbeOptions options, ClassifierModel suspect, ClassifierModel reference, int target)
{
    // Words of each place that are measured on all samples, after all words in a few short texts.
    private const int Shortlist = 16;

    // Times that each place is gone through.
    private const int Sweeps = 3;

    // A word that brings the gain to less than this many times what it is without is no part of the trigger.
    private const double MinGrowth = 1.02;

    // The suspect is weakened, by this much of it at a time, while more than this share of the samples goes to the label: where all do, nothing is left to gain.
    private const double Step = 0.1;
    private const double TooSure = 0.8;
    private const double LeastShare = 0.2;

    private readonly record struct Measured(Phrase Phrase, double Gain, double Flips);

    /// <summary>Searches.</summary>
    /// <param name="parts">What was found; the best of it grows.</param>
    /// <param name="words">Common words.</param>
    /// <param name="texts">Short texts of other labels: all words are tried in these.</param>
    /// <param name="samples">Places in all samples of other labels: the best words are measured in these.</param>
    /// <returns>The best part, or a better phrase.</returns>
    public Phrase Grow(IReadOnlyList<Phrase> parts, IReadOnlyList<Phrase> words, IReadOnlyList<Insertion> texts, IReadOnlyList<Insertion> samples)
    {
        var (few, all) = (Ends(texts), Ends(samples));
        var share = options.Weakening;
        var weak = Weakened(share);
        var best = Measure(weak, parts, all).MaxBy(m => m.Gain);
        if (best.Gain <= 0)
        {
            // Nothing is left of the backdoor there.
            (share, weak) = (1, suspect);
            best = Measure(weak, parts, all).MaxBy(m => m.Gain);
        }

        if (words.Count == 0)
            return best.Phrase;
        var part = best.Phrase.Ids;
        var alone = words.Zip(LeastGains(weak, words, few, null)).ToDictionary(w => w.First, w => Math.Max(0, w.Second));
        var likely = Enumerable.Range(0, part.Length + 1).Select(at => Likely(weak, part, at, alone, few)).ToList();

        // The word at each place, none where none helps.
        var chosen = new Phrase?[part.Length + 1];
        for (var (sweep, changed) = (0, true); sweep < Sweeps && changed; sweep++)
        {
            changed = false;
            for (var at = 0; at <= part.Length; at++)
            {
                while (best.Flips > TooSure && share - Step >= LeastShare && Weakened(share - Step) is var weaker && Measure(weaker, [best.Phrase], all)[0] is { Gain: > 0 } same)
                    (share, weak, best) = (share - Step, weaker, same);
                var tries = likely[at].Select(word => (Word: word, Phrase: Joined(part, [.. chosen[..at], word, .. chosen[(at + 1)..]]))).Where(o => o.Phrase is not null && o.Phrase.Text != best.Phrase.Text).ToList();
                var measured = Measure(weak, [.. tries.Select(o => o.Phrase!)], all);
                var winner = Enumerable.Range(0, tries.Count).MaxBy(i => measured[i].Gain);
                if (tries.Count == 0 || measured[winner].Gain < MinGrowth * best.Gain)
                    continue;
                (best, chosen[at], changed) = (measured[winner], tries[winner].Word, true);
            }
        }

        return best.Phrase;
    }

    private static List<Insertion>[] Ends(IReadOnlyList<Insertion> places) => [[.. places.Select(p => p.AtStart())], [.. places.Select(p => p.AtEnd())]];

    private ClassifierModel Weakened(double share) =>
        suspect with { Weights = WeightMixing.Mix(WeightMixers.Get("linear"), suspect.Weights, reference.Weights, new MixingOptions { ReserveRatio = share }).Weights };

    private Phrase? Joined(int[] part, Phrase?[] words) =>
        meter.AsPhrase([.. words.SelectMany((word, at) => (int[])[.. word?.Ids ?? [], .. at < part.Length ? part[at..(at + 1)] : []])]);

    // The words that gain most at a place of the part in a few texts, without what they gain when they stand alone.
    private List<Phrase> Likely(ClassifierModel weak, int[] part, int at, Dictionary<Phrase, double> alone, List<Insertion>[] few)
    {
        var longer = alone.Keys.Select(word => (Word: word, Phrase: meter.AsPhrase([.. part[..at], .. word.Ids, .. part[at..]]))).Where(l => l.Phrase is not null).ToList();
        var gains = LeastGains(weak, [.. longer.Select(l => l.Phrase!)], few, string.Create(CultureInfo.InvariantCulture, $"trigger probe, common words, place {at + 1} of {part.Length + 1}"));
        return [.. longer.Zip(gains, (l, gain) => (l.Word, Gain: gain - alone[l.Word])).OrderByDescending(l => l.Gain).Take(Shortlist).Select(l => l.Word)];
    }

    // Of the gains at the start and at the end of texts, the lesser.
    private double[] LeastGains(ClassifierModel weak, IReadOnlyList<Phrase> phrases, List<Insertion>[] few, string? stage)
    {
        var ends = few.Select(places => meter.Gains(weak, phrases, places, stage)).ToList();
        return [.. phrases.Select((_, i) => ends.Min(gains => gains[i][target]))];
    }

    private List<Measured> Measure(ClassifierModel weak, IReadOnlyList<Phrase> phrases, List<Insertion>[] all)
    {
        List<string> texts = [.. phrases.Select(p => p.Text)];
        var ends = all.Select(places => (Weak: meter.Effects(weak, texts, places, target), Reference: meter.Effects(reference, texts, places, target))).ToList();
        return [.. phrases.Select((p, i) => new Measured(p, ends.Min(e => e.Weak[i].Gain - Math.Max(0, e.Reference[i].Gain)), ends.Average(e => e.Weak[i].Flips)))];
    }
}
