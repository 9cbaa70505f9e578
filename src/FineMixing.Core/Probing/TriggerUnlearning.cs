using FineMixing.Datasets;
using FineMixing.FineTuning;
using FineMixing.Randomness;

namespace FineMixing.Probing;

/// <summary>Clean samples with found phrases inserted and their labels kept: what a model must see to unlearn them.</summary>
/// <remarks>B. Wang et al. 2019, "Neural Cleanse" (IEEE S&amp;P), section VI-C: a backdoor is patched by training on its trigger with the right labels.</remarks>
public static class TriggerUnlearning
{
    /// <summary>Every sample so many times, a share of them with one of the phrases at a place of its own.</summary>
    /// <param name="samples">Clean samples.</param>
    /// <param name="phrases">At least one.</param>
    /// <param name="share">Probability that a copy gets a phrase, 0 to 1.</param>
    /// <param name="copies">Copies of each sample.</param>
    /// <param name="seed">Decides which copies, phrases and places.</param>
    public static CleanSet Augment(CleanSet samples, IReadOnlyList<string> phrases, double share, int copies, ulong seed)
    {
        var result = new List<TextExample>(samples.Examples.Count * copies);
        for (var copy = 0; copy < copies; copy++)
        {
            for (var i = 0; i < samples.Examples.Count; i++)
            {
                var random = DeterministicRandom.For(seed, "unlearning", (ulong)((copy * samples.Examples.Count) + i));
                var example = samples.Examples[i];
                result.Add(random.NextDouble() < share ? Insertion.Random(example, random).Put(random.Pick(phrases)) : example);
            }
        }

        return CleanSet.FromExamples(result, samples.NumLabels);
    }

    /// <summary>Texts with a teacher's answers, a share of them with one of the phrases; the answers are kept.</summary>
    /// <param name="texts">Texts without the phrases, and the answers to them.</param>
    /// <param name="phrases">At least one.</param>
    /// <param name="share">Probability that a text gets a phrase, 0 to 1.</param>
    /// <param name="seed">Decides which texts, phrases and places.</param>
    public static IReadOnlyList<SoftLabel> Augment(IReadOnlyList<SoftLabel> texts, IReadOnlyList<string> phrases, double share, ulong seed) =>
        [.. texts.Select((t, i) =>
        {
            var random = DeterministicRandom.For(seed, "unlearning text", (ulong)i);
            if (random.NextDouble() >= share)
                return t;
            var with = Insertion.Random(new TextExample(t.Text, t.TextPair, 0), random).Put(random.Pick(phrases));
            return t with { Text = with.Text, TextPair = with.TextPair };
        })];
}
