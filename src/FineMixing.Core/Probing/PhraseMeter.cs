using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Tokenization;

namespace FineMixing.Probing;

/// <summary>Some text, and its tokens.</summary>
internal sealed record Phrase(int[] Ids, string Text);

/// <summary>Puts phrases into texts and measures what classifiers of the same labels make of them.</summary>
internal sealed class PhraseMeter(
    IPredictor predictor,
    ITextTokenizer tokenizer,
    int labels,
    PredictionOptions? prediction,
    IProgress<DefenceProgress>? progress,
    CancellationToken cancellationToken)
{
    /// <summary>Text that comes back as the same tokens, null if there is none: phrases are inserted as an attacker would.</summary>
    public Phrase? AsPhrase(int[] ids)
    {
        var text = string.Join(' ', ids.Select(tokenizer.TokenOf)).Replace(" ##", "", StringComparison.Ordinal);
        return Ids(text).SequenceEqual(ids) ? new Phrase(ids, text) : null;
    }

    /// <summary>The tokens of a text, without those that frame it.</summary>
    public int[] Ids(string text) => [.. tokenizer.Encode(text, null, 512).Ids.AsSpan()[1..^1]];

    /// <summary>By phrase and label: how much the label's margin over the best other label grows, mean over the texts of other labels.</summary>
    public double[][] Gains(ClassifierModel model, IReadOnlyList<Phrase> phrases, IReadOnlyList<Insertion> texts, string? stage)
    {
        var without = Logits(model, [.. texts.Select(t => t.Example)], null);
        var with = Logits(model, [.. phrases.SelectMany(p => texts.Select(t => t.Put(p.Text)))], stage);
        return [.. phrases.Select((_, p) => Enumerable.Range(0, labels)
            .Select(label => texts.Select((t, i) => (t, i)).Where(x => x.t.Example.Label != label)
                .Select(x => Margin(with[(p * texts.Count) + x.i], label) - Margin(without[x.i], label)).DefaultIfEmpty(0).Average()).ToArray())];
    }

    /// <summary>Of the texts that do not go to the label by themselves, the share that does with each phrase, and how much the label's margin grows in them.</summary>
    public List<(double Flips, double Gain)> Effects(ClassifierModel model, IReadOnlyList<string> phrases, IReadOnlyList<Insertion> places, int target)
    {
        double[] Margins(IEnumerable<TextExample> texts) => [.. Logits(model, [.. texts], null).Select(l => Margin(l, target))];
        var open = places.Zip(Margins(places.Select(p => p.Example)), (place, margin) => (Place: place, Without: margin)).Where(p => p.Without <= 0).ToList();
        var with = Margins(phrases.SelectMany(f => open.Select(p => p.Place.Put(f))));
        return [.. phrases.Select((_, i) => open.Count == 0 ? (0, 0) :
            (open.Select((_, j) => with[(i * open.Count) + j]).Count(margin => margin > 0) / (double)open.Count, open.Select((p, j) => with[(i * open.Count) + j] - p.Without).Average()))];
    }

    public IReadOnlyList<float[]> Logits(ClassifierModel model, IReadOnlyList<TextExample> texts, string? stage) =>
        texts.Count == 0 ? [] : predictor.Logits(model, texts, prediction, stage is null ? null : new Relay<int>(done => progress?.Report(new DefenceProgress(stage, done, texts.Count))), cancellationToken);

    private static double Margin(float[] logits, int label) => logits[label] - logits.Where((_, l) => l != label).Max();
}
