using System.Globalization;
using FineMixing.Models;
using FineMixing.Tokenization;

namespace FineMixing.Torch.Models;

/// <summary>Refuses pairs of texts for a model that knows single ones only: libtorch would say that an index is out of range.</summary>
internal static class SegmentCheck
{
    /// <exception cref="ArgumentException">A text has more segments than the model has embeddings of them.</exception>
    public static void ThrowIfMissing(ModelConfig config, IEnumerable<Encoding> encodings)
    {
        var number = 0;
        foreach (var encoding in encodings)
        {
            number++;
            if (Array.Exists(encoding.TypeIds, t => t >= config.TypeVocabularySize))
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Text {number} is a pair, but the model has embeddings of {config.TypeVocabularySize} segment (type_vocab_size in its config.json): it takes single texts."));
        }
    }
}
