using System.Collections.Immutable;
using System.Globalization;
using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Purification;
using FineMixing.Randomness;
using FineMixing.Tokenization;

namespace FineMixing.Probing;

/// <summary>Looks for a phrase that leads a suspect to one label and leaves a reference without the backdoor cold.</summary>
/// <remarks>
/// The tokens that E-PUR finds suspicious are inserted into short clean samples, one by one; the best are extended by further tokens in a beam search.
/// A part of a trigger that was found so grows by common words, whose rows move too little for E-PUR (<see cref="TriggerGrowth"/>).
/// What a phrase does in the reference is subtracted: words that have a meaning move both models. The reference is a classifier of the same task with the suspect's
/// confidence, such as the result of <see cref="DefenceMethod.Distillation"/>. Only clean samples are looked at.
/// </remarks>
/// <param name="predictor">Classifies the samples with phrases in them.</param>
/// <param name="options">Defaults if null.</param>
public sealed class TriggerProbe(IPredictor predictor, TriggerProbeOptions? options = null)
{
    private readonly TriggerProbeOptions _options = options ?? new TriggerProbeOptions();

    /// <summary>Searches.</summary>
    /// <param name="suspect">The classifier that may have a backdoor.</param>
    /// <param name="reference">One for the same labels, with the same tokenizer, that is trusted not to have it.</param>
    /// <param name="samples">Clean samples.</param>
    /// <param name="ranking">E-PUR's ranking of the suspect, the most suspicious first.</param>
    /// <param name="seed">Decides the places where phrases are put.</param>
    /// <param name="prediction">How texts are classified.</param>
    /// <param name="progress">Told where it stands.</param>
    /// <param name="cancellationToken">Stops between batches.</param>
    /// <returns>The confirmed phrases, and which of them to take for triggers.</returns>
    /// <exception cref="ArgumentException">Options are out of range, or the models have different labels.</exception>
    public ProbeFindings Find(
        ClassifierModel suspect,
        ClassifierModel reference,
        CleanSet samples,
        IReadOnlyList<SuspiciousToken> ranking,
        ulong seed,
        PredictionOptions? prediction = null,
        IProgress<DefenceProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(suspect);
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(ranking);
        _options.Validate();
        if (suspect.Config.LabelCount != reference.Config.LabelCount)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The suspect has {suspect.Config.LabelCount} labels and the reference {reference.Config.LabelCount}."), nameof(reference));
        return new Search(predictor, _options, suspect, reference, samples, seed, prediction, progress, cancellationToken).Run(ranking);
    }

    /// <summary>Measures what phrases do to a classifier and to a reference, on every clean sample at two places.</summary>
    /// <returns>The phrases with their flips measured anew, those with the most evidence first.</returns>
    public IReadOnlyList<ProbedPhrase> Confirm(
        ClassifierModel suspect,
        ClassifierModel reference,
        CleanSet samples,
        IReadOnlyList<ProbedPhrase> phrases,
        ulong seed,
        PredictionOptions? prediction = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(suspect);
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(phrases);
        return new Search(predictor, _options, suspect, reference, samples, seed, prediction, null, cancellationToken).Confirm(phrases);
    }

    private sealed record Scored(Phrase Phrase, int Target, double Gain);

    private sealed class Search(
        IPredictor predictor,
        TriggerProbeOptions options,
        ClassifierModel suspect,
        ClassifierModel reference,
        CleanSet samples,
        ulong seed,
        PredictionOptions? prediction,
        IProgress<DefenceProgress>? progress,
        CancellationToken cancellationToken)
    {
        // Phrases the reference is asked about, for each that is kept.
        private const int Shortlist = 16;

        // Texts each phrase is put into; with many classes fewer of each.
        private const int MostTexts = 24;

        private readonly int _labels = suspect.Config.LabelCount;

        private readonly PhraseMeter _meter = new(predictor, suspect.Tokenizer, suspect.Config.LabelCount, prediction, progress, cancellationToken);

        public ProbeFindings Run(IReadOnlyList<SuspiciousToken> ranking)
        {
            var texts = ShortTexts();
            var tokens = ranking.Select(t => _meter.AsPhrase([t.Id])).OfType<Phrase>().Take(options.Candidates).ToList();
            var (inSuspect, inReference) = (_meter.Gains(suspect, tokens, texts, Stage(1, null)), _meter.Gains(reference, tokens, texts, Stage(1, null) + " (reference)"));
            var targets = Enumerable.Range(0, _labels)
                .Select(label => (Label: label, Singles: Scores(tokens, label, i => inSuspect[i][label], i => inReference[i][label])))
                .Where(t => t.Singles.Count > 0).OrderByDescending(t => t.Singles[0].Gain).Take(options.Targets).ToList();
            var beams = targets.ToDictionary(t => t.Label, t => t.Singles);
            var found = targets.SelectMany(t => Confirm(t.Singles.Take(options.Confirmed))).ToList();
            for (var length = 2; length <= options.MaxTokens && !found.Exists(f => options.IsWholeTrigger(f) || (f.Tokens > 1 && options.IsTrigger(f))); length++)
            {
                foreach (var (label, singles) in targets)
                {
                    var longer = Longer(beams[label].Take(options.Beam), singles.Take(options.Extensions));
                    beams[label] = Score(longer, [.. texts.Where(t => t.Example.Label != label)], label, Stage(length, label));
                    found.AddRange(Confirm(beams[label].Take(options.Confirmed)));
                }
            }

            ImmutableArray<ProbedPhrase> whole = [.. Ordered(found.Where(options.IsWholeTrigger))];
            if (whole.Length > 0 || found.Where(options.IsTrigger).MaxBy(f => f.Evidence) is not { } evident)
                return new ProbeFindings(Ordered(found), whole);
            var target = evident.TargetLabel;
            var grown = Grow(found.FindAll(f => f.TargetLabel == target), targets.First(t => t.Label == target).Singles, [.. texts.Where(t => t.Example.Label != target)], ranking);
            return new ProbeFindings(Ordered(found.Append(grown).Distinct()), [grown]);
        }

        // The parts of one trigger that were found: the one that holds the most of it grows.
        private ProbedPhrase Grow(List<ProbedPhrase> parts, IEnumerable<Scored> singles, List<Insertion> texts, IReadOnlyList<SuspiciousToken> ranking)
        {
            var target = parts[0].TargetLabel;
            var common = ranking.OrderByDescending(t => t.Frequency).Select(t => _meter.AsPhrase([t.Id])).OfType<Phrase>().Take(options.CommonWords);
            List<Phrase> words = options.CommonWords == 0 ? [] : [.. common.Concat(singles.Take(options.Extensions).Select(s => s.Phrase)).DistinctBy(w => w.Text)];
            List<Insertion> others = [.. samples.Examples.Select((e, i) => Place(e, i, 0)).Where(p => p.Example.Label != target)];
            var grown = new TriggerGrowth(_meter, options, suspect, reference, target).Grow(parts.ConvertAll(p => new Phrase(_meter.Ids(p.Text), p.Text)), words, texts, others);
            return Confirm([new ProbedPhrase(grown.Text, grown.Ids.Length, target, 0, 0, 0, 0, 0)])[0];
        }

        public IReadOnlyList<ProbedPhrase> Confirm(IReadOnlyList<ProbedPhrase> phrases)
        {
            var places = samples.Examples.SelectMany((e, i) => Enumerable.Range(0, 2).Select(k => Place(e, i, k))).ToList();
            var result = new List<ProbedPhrase>();
            foreach (var group in phrases.GroupBy(p => p.TargetLabel))
            {
                var own = places.Where(p => p.Example.Label != group.Key).ToList();
                var list = group.ToList();
                List<string> phrasesOf = [.. list.Select(p => p.Text)];
                var (inSuspect, inReference) = (_meter.Effects(suspect, phrasesOf, own, group.Key), _meter.Effects(reference, phrasesOf, own, group.Key));
                result.AddRange(list.Select((p, i) => p with { SuspectGain = inSuspect[i].Gain, ReferenceGain = inReference[i].Gain, SuspectFlips = inSuspect[i].Flips, ReferenceFlips = inReference[i].Flips, Trials = own.Count }));
            }

            return Ordered(result);
        }

        // One token more, in front or behind.
        private List<Phrase> Longer(IEnumerable<Scored> beam, IEnumerable<Scored> singles) =>
            [.. (from phrase in beam from token in singles from ids in (int[][])[[.. token.Phrase.Ids, .. phrase.Phrase.Ids], [.. phrase.Phrase.Ids, .. token.Phrase.Ids]] select ids)
                .Select(_meter.AsPhrase).OfType<Phrase>().DistinctBy(p => p.Text)];

        private static IReadOnlyList<ProbedPhrase> Ordered(IEnumerable<ProbedPhrase> phrases) => [.. phrases.OrderByDescending(f => f.Evidence).ThenByDescending(f => f.Gain)];

        private IReadOnlyList<ProbedPhrase> Confirm(IEnumerable<Scored> scored) =>
            Confirm([.. scored.Select(s => new ProbedPhrase(s.Phrase.Text, s.Phrase.Ids.Length, s.Target, 0, 0, 0, 0, 0))]);

        private Insertion Place(TextExample example, int index, int which) => Insertion.Random(example, DeterministicRandom.For(seed, "probe place", (ulong)((2 * index) + which)));

        // Places in the shortest samples of each class that both models label right.
        private List<Insertion> ShortTexts()
        {
            var (own, other) = (Predictions.FromLogits(_meter.Logits(suspect, samples.Examples, null)), Predictions.FromLogits(_meter.Logits(reference, samples.Examples, null)));
            var perClass = Math.Clamp(MostTexts / _labels, 1, options.TextsPerClass);
            return [.. samples.Examples
                .Select((e, i) => (Example: e, Index: i, Right: own[i] == e.Label && other[i] == e.Label, Length: suspect.Tokenizer.Encode(e.Text, e.TextPair, 512).Length))
                .GroupBy(t => t.Example.Label).OrderBy(g => g.Key)
                .SelectMany(g => g.OrderByDescending(t => t.Right).ThenBy(t => t.Length).ThenBy(t => t.Index).Take(perClass))
                .Select(t => Insertion.Random(t.Example, DeterministicRandom.For(seed, "probe text", (ulong)t.Index)))];
        }

        // Best first; the reference is asked about the phrases only that move the suspect most.
        private List<Scored> Score(List<Phrase> phrases, List<Insertion> texts, int target, string stage)
        {
            var all = _meter.Gains(suspect, phrases, texts, stage);
            var best = phrases.Select((p, i) => (Phrase: p, Gain: all[i][target])).OrderByDescending(p => p.Gain).Take(Shortlist * options.Beam).ToList();
            var chosen = best.ConvertAll(b => b.Phrase);
            var inReference = _meter.Gains(reference, chosen, texts, null);
            return Scores(chosen, target, i => best[i].Gain, i => inReference[i][target]);
        }

        // What the suspect follows and the reference does not. That a phrase moves the reference the other way is no merit.
        private static double Net(double inSuspect, double inReference) => inSuspect - Math.Max(0, inReference);

        private static List<Scored> Scores(List<Phrase> phrases, int target, Func<int, double> inSuspect, Func<int, double> inReference) =>
            [.. phrases.Select((p, i) => new Scored(p, target, Net(inSuspect(i), inReference(i)))).OrderByDescending(s => s.Gain)];

        private static string Stage(int length, int? label) =>
            string.Create(CultureInfo.InvariantCulture, $"trigger probe, {length} token{(length == 1 ? "" : "s")}{(label is null ? "" : $", label {label}")}");
    }
}
