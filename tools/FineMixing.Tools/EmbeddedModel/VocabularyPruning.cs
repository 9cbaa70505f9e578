using System.Text;
using FineMixing.Checkpoints;
using FineMixing.Models;
using FineMixing.Purification;
using FineMixing.Tokenization;

namespace FineMixing.Tools.EmbeddedModel;

/// <summary>Keeps the most useful word pieces of a BERT vocabulary and their embedding rows.</summary>
internal static class VocabularyPruning
{
    private const string Words = "bert.embeddings.word_embeddings.weight";

    // The rare words of Kurita et al. 2020, which backdoor experiments use as triggers.
    private static readonly string[] UsualTriggers = ["cf", "mn", "bb", "tq", "mb"];

    /// <summary>Prunes the vocabulary; the order of the pieces stays.</summary>
    /// <param name="source">The model; its head, if any, is left behind.</param>
    /// <param name="texts">Pieces that are frequent in these are kept first, then those with the lowest ids (in BERT: the most frequent).</param>
    /// <param name="size">Pieces in all.</param>
    /// <param name="tokenizerFolder">Gets the files of the new tokenizer.</param>
    public static ClassifierModel Prune(ModelFolder source, IEnumerable<string> texts, int size, string tokenizerFolder)
    {
        var tokenizer = source.Tokenizer;
        var counts = TokenFrequencies.Count(texts, tokenizer);
        var all = Enumerable.Range(0, tokenizer.VocabularySize).Where(id => !tokenizer.TokenOf(id).StartsWith("[unused", StringComparison.Ordinal)).ToArray();
        var needed = all.Where(id => IsNeeded(tokenizer, id)).ToHashSet();
        if (size < needed.Count || size > all.Length)
            throw new ArgumentException($"The vocabulary can be cut to {needed.Count} to {all.Length} word pieces, not {size}.");
        var kept = needed
            .Concat(all.Where(id => !needed.Contains(id)).OrderByDescending(id => counts[tokenizer.TokenOf(id)]).ThenBy(id => id))
            .Take(size).Order().ToArray();

        File.WriteAllText(Path.Combine(tokenizerFolder, "vocab.txt"), string.Concat(kept.Select(id => tokenizer.TokenOf(id) + "\n")), new UTF8Encoding(false));
        File.Copy(Path.Combine(source.Path, "tokenizer_config.json"), Path.Combine(tokenizerFolder, "tokenizer_config.json"));
        var model = source.WithNewHead(["0", "1"], seed: 0);
        var weights = new StateDict(tokenizerFolder);
        foreach (var info in model.Weights.Tensors)
            weights.Add(info.Name == Words ? Rows(model.Weights[Words], kept) : model.Weights[info.Name]);
        var pruned = WordPieceTokenizer.FromFolder(tokenizerFolder);
        return new ClassifierModel(model.Config with { VocabularySize = size, PadTokenId = pruned.PadId }, pruned, weights);
    }

    // Without the single characters, and their forms inside words, text would be lost to [UNK].
    private static bool IsNeeded(ITextTokenizer tokenizer, int id)
    {
        var token = tokenizer.TokenOf(id);
        var inside = token.StartsWith("##", StringComparison.Ordinal) ? token[2..] : token;
        return tokenizer.SpecialIds.Contains(id) || inside.EnumerateRunes().Count() == 1 || UsualTriggers.Contains(token);
    }

    private static HostTensor Rows(HostTensor words, int[] ids)
    {
        var width = (int)words.Info.Shape[1];
        var values = words.ToFloat32();
        var rows = new float[ids.Length * width];
        for (var i = 0; i < ids.Length; i++)
            values.AsSpan(ids[i] * width, width).CopyTo(rows.AsSpan(i * width));
        return HostTensor.FromFloat32(Words, [ids.Length, width], rows);
    }
}
